//! `lab runner`: what cargo calls to run a program that it built for a guest.

use crate::guest;
use crate::options::Options;
use crate::variant::Variant;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::path::PathBuf;

/// Run a program that cargo built, in a guest of its architecture (cargo's `runner`).
///
/// Options come from RLKM_CPUS and the other variables. RLKM_*, RUST_BACKTRACE, RUST_LOG,
/// RUST_TEST_* and NO_COLOR are passed on to the program; tests run in 2 threads unless
/// RUST_TEST_THREADS says otherwise. A debug kernel looks for leaked memory afterwards.
#[derive(clap::Args)]
#[command(after_help = crate::run::EXIT_STATUS)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    /// The program
    binary: PathBuf,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
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
    args.options.kmemleak |= args.options.kernel()?.variant == Variant::Debug;
    let mut env: Vec<(String, OsString)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| PASSED_ON.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    // With one CPU a test would run in the main thread, and not know its own name.
    if !env.iter().any(|(name, _)| name == TEST_THREADS) {
        env.push((TEST_THREADS.to_owned(), "2".into()));
    }
    let name = args.binary.file_name().context("the program has no name")?;
    let mut command = vec![name.to_owned()];
    command.extend(args.args);
    guest::run(&args.options, &env, &command)
}
