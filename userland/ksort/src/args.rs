//! The arguments.

use std::path::PathBuf;

use abi::ksort::{KSORT_AUTO, KSORT_HEAP, KSORT_PARALLEL, KSORT_QUICK, KSORT_RADIX};
use clap::{Parser, ValueEnum};

use crate::pattern::Pattern;

const AFTER_HELP: &str = "\
Numbers are decimal, and a file has whitespace between them. They come from one place: the arguments,
--file or --random, or else from standard input. If one is no number, or none of the type, nothing is
sorted. How many there may be is the module's parameter max_mib: 64 MiB, or 16 Mi of i32, by default.

Random numbers are those of xoshiro256++, seeded by splitmix64: the same arguments give the same ones
for ever.

SIGINT and SIGTERM end the program, and the kernel's sort with it, as they end any other.

Examples:
  ksort 3 -1 2                             -1, 2 and 3, each on a line
  ksort --reverse --file numbers.txt       the greatest first
  seq 100000 | shuf | ksort --check        says whether it was sorted well
  ksort --random 1000000 --time --check    the same of random numbers, and how long it took
  ksort --random 1000000 --time --pattern organ-pipe --type u64 --algorithm heap

Exit status:
  0  done; also when a reader of the output goes away
  1  --check: the result is not in order, or not a permutation of the input
  2  wrong arguments, also one that is no number of the type
  3  the node, the file or standard input cannot be used, or something in it is no number of the
     type, or the output cannot be written
";

/// Has numbers sorted by /dev/ksort and prints them, one on a line
#[derive(Parser)]
#[command(version, after_help = AFTER_HELP)]
pub struct Args {
    /// The numbers
    #[arg(allow_negative_numbers = true, conflicts_with_all = ["file", "random"])]
    pub numbers: Vec<String>,

    /// Read the numbers from a file; - is standard input
    #[arg(long, value_name = "PATH", conflicts_with = "random")]
    pub file: Option<PathBuf>,

    /// Make N numbers
    #[arg(long, value_name = "N")]
    pub random: Option<u64>,

    /// For --random: another seed makes other numbers
    #[arg(
        long,
        value_name = "S",
        default_value = "0",
        requires = "random",
        conflicts_with_all = ["numbers", "file"]
    )]
    pub seed: u64,

    /// For --random: which numbers, and how they lie before they are sorted
    #[arg(
        long,
        value_name = "P",
        value_enum,
        default_value = "random",
        requires = "random",
        conflicts_with_all = ["numbers", "file"]
    )]
    pub pattern: Pattern,

    /// What the numbers are
    #[arg(long = "type", value_name = "T", value_enum, default_value = "i32")]
    pub number: Type,

    /// The greatest number first
    #[arg(short, long)]
    pub reverse: bool,

    /// How the kernel sorts
    #[arg(long, value_name = "A", value_enum, default_value = "auto")]
    pub algorithm: Algorithm,

    /// Instead of the numbers, print whether they are in order and a permutation of the input
    #[arg(long)]
    pub check: bool,

    /// Instead of the numbers, print how long the kernel took to sort them, and how long
    /// sort_unstable of Rust's std takes in this program
    #[arg(long)]
    pub time: bool,

    /// The device node
    #[arg(long, value_name = "PATH", default_value = "/dev/ksort")]
    pub node: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Type {
    I32,
    U32,
    I64,
    U64,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Algorithm {
    /// Whichever of the others is the best for so many numbers
    Auto,
    /// The kernel's own sort()
    Heap,
    /// Quicksort
    Quick,
    /// By digits
    Radix,
    /// By digits, on several CPUs
    Parallel,
}

impl Algorithm {
    /// What the node calls it.
    pub fn value(self) -> u32 {
        match self {
            Algorithm::Auto => KSORT_AUTO,
            Algorithm::Heap => KSORT_HEAP,
            Algorithm::Quick => KSORT_QUICK,
            Algorithm::Radix => KSORT_RADIX,
            Algorithm::Parallel => KSORT_PARALLEL,
        }
    }
}
