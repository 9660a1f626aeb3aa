//! `lab decode`: an oops, made readable.

use crate::decode::{sources, Decoder};
use crate::kernels::arch::{Named, ARCHES};
use crate::kernels::which::Which;
use crate::output::{self, say};
use anyhow::{Context, Result};
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

/// Tell the functions, files and lines of an oops or a stack trace
///
/// The text is a kernel's log, or any that holds it. Each function+0xoffset/0xsize in it gets the
/// function's name as the source has it, and is followed by the lines that it comes from, those of
/// inlined functions first; all else is printed as it is. Lines are in the debug information of
/// modules, which `make modules DEBUG_INFO=y` builds beside those without it, and in a kernel's
/// vmlinux, if it was built with any. Where there is none, the names remain, and the offsets.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The log [default: stdin]
    file: Option<PathBuf>,
    /// Architecture of the kernel [default: as the text has it, else arm64]
    #[arg(long)]
    arch: Option<Named>,
    /// Which kernel it is: plain, debug, trace, or Debian's: stock, cloud, stock:6.1.0-57
    #[arg(
        long,
        alias = "variant",
        value_name = "KERNEL",
        env = "RLKM_KERNEL",
        default_value_t
    )]
    kernel: Which,
    /// The tree that the kernel was built in [default: the lab's own tree]
    #[arg(long, value_name = "DIR", env = "RLKM_KDIR")]
    kdir: Option<PathBuf>,
    /// A module that ran [default: all that make has built in this checkout]
    #[arg(long = "module", value_name = "FILE")]
    modules: Vec<PathBuf>,
}

const AFTER_HELP: &str = "\
Example:
  make modules DEBUG_INFO=y
  lab decode ~/.cache/rlkm/run/1/console.log";

pub fn main(args: Args) -> Result<u8> {
    let mut bytes = Vec::new();
    match &args.file {
        Some(path) => {
            bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        }
        None => {
            let stdin = io::stdin().lock().read_to_end(&mut bytes);
            stdin.context("standard input: cannot read")?;
        }
    }
    let arch = match args.arch {
        Some(arch) => arch.0,
        None => sources::arch_of(&String::from_utf8_lossy(&bytes)).unwrap_or(&ARCHES[0]),
    };
    for path in &args.modules {
        fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    let modules = match args.modules.is_empty() {
        true => sources::built(arch)?,
        false => args.modules,
    };
    // Without any, the kernel's own functions have their names.
    let kdir = args.kdir.or_else(|| args.kernel.kdir(arch).ok());
    let mut decoder = Decoder::new(modules, kdir.as_deref())?;
    let decoded = decoder.decode(&bytes);
    let status = output::print(decoded)?;
    for remark in decoder.remarks() {
        say!("{remark}");
    }
    Ok(status)
}
