//! `lab runner`: what cargo calls to run a program that it built for a guest.

use crate::guest;
use crate::guest::initramfs;
use crate::kernels::variant::Variant;
use crate::options::Options;
use crate::verbs::run::Command;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::path::PathBuf;

/// Run a program that cargo built for a guest: cargo's `runner`
///
/// The guest is of the program's architecture. Options come from RLKM_CPUS and the other variables. RLKM_*, RUST_BACKTRACE, RUST_LOG,
/// RUST_TEST_* and NO_COLOR are passed on to the program; tests run in 2 threads unless
/// RUST_TEST_THREADS says otherwise. A debug kernel looks for leaked memory afterwards.
///
/// The guest need not boot each time: one that has booted is kept in the cache, for each kernel,
/// number of CPUs and whatever else makes a difference, and guests go on from there. Under KVM, and
/// with --icount or --qmp, they boot.
#[derive(clap::Args)]
#[command(after_help = crate::verbs::run::EXIT_STATUS)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    snapshot: Snapshots,
    /// The program
    binary: PathBuf,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// What `lab suites` has, too, for the runs that it starts.
#[derive(clap::Args)]
pub struct Snapshots {
    /// When a guest goes on from the state in which another had booted; auto is on a debug kernel,
    /// whose boot is long
    #[arg(
        long,
        value_name = "WHEN",
        env = "RLKM_SNAPSHOT",
        value_enum,
        default_value_t
    )]
    pub snapshot: Snapshot,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Snapshot {
    #[default]
    Auto,
    Always,
    Never,
}

impl Snapshot {
    /// As it is given.
    pub fn name(self) -> &'static str {
        match self {
            Snapshot::Auto => "auto",
            Snapshot::Always => "always",
            Snapshot::Never => "never",
        }
    }
}

const PASSED_ON: [&str; 5] = [
    "RLKM_",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "RUST_TEST_",
    "NO_COLOR",
];

const TEST_THREADS: &str = "RUST_TEST_THREADS";

pub fn main(mut args: Args) -> Result<u8> {
    args.options.follow(&args.binary)?;
    args.options.test_modules = true;
    let is_debug = args.options.kernel()?.variant == Variant::Debug;
    args.options.kmemleak |= is_debug;
    let mut env: Vec<(String, OsString)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, value)| {
            let is_for_it = PASSED_ON.iter().any(|prefix| name.starts_with(prefix));
            is_for_it && !value.is_empty() && initramfs::is_variable(name)
        })
        .collect();
    // With one CPU a test would run in the main thread, and not know its own name.
    if !env.iter().any(|(name, _)| name == TEST_THREADS) {
        env.push((TEST_THREADS.to_owned(), "2".into()));
    }
    let name = args.binary.file_name().context("the program has no name")?;
    let mut words = vec![name.to_owned()];
    words.extend(args.args);
    let no_stdin = false;
    guest::run(
        &args.options,
        &env,
        &Command { no_stdin, words },
        match args.snapshot.snapshot {
            Snapshot::Auto => is_debug,
            when => when == Snapshot::Always,
        },
    )
}
