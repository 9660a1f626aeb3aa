//! `lab lockstat`: one command in a new guest, and what the kernel counts of our locks meanwhile.

use crate::guest;
use crate::options::Options;
use crate::verbs::run::Command;
use anyhow::Result;
use std::ffi::OsString;

/// Run one command in a new guest, and print the locks' statistics
///
/// What is printed are the rows of /proc/lock_stat (Documentation/locking/lockstat.rst) of those classes of
/// locks that belong to modules which are loaded when the command ends, whether anybody has waited
/// for them or not. They follow the command's output; times are in microseconds. Modules are to be
/// built for the same kernel, with `make VARIANT=debug`.
#[derive(clap::Args)]
#[command(
    mut_arg("kernel", |arg| arg.default_value("debug")),
    after_help = AFTER_HELP
)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit status: as of `lab run`; 120 also if the kernel has no such statistics, or stopped to count.

Example:
  lab lockstat -- sh -c 'insmod /modules/simrupt.ko log=0 delay_ms=1 && simrupt --count 1000 >/dev/null'";

/// Runs a command, and prints the rows.
const SCRIPT: &str = include_str!("lockstat.sh");

pub fn main(mut args: Args) -> Result<u8> {
    // So that /proc/lockdep tells where the key of a class is.
    args.options.append.push_str(" no_hash_pointers");
    let mut words: Vec<OsString> = ["sh", "-c", SCRIPT, "lockstat"].map(Into::into).into();
    words.append(&mut args.command.words);
    args.command.words = words;
    guest::run(&args.options, &[], &args.command, false)
}
