//! `lab run`: one command in a new guest.

use crate::guest;
use crate::options::Options;
use anyhow::Result;
use std::ffi::OsString;

/// Run one command in a new guest, and end with its status
///
/// The command has the lab's stdin, stdout and stderr. It is a program and its arguments, as they
/// are: for a pipe or a list of commands, run `sh -c '…'`. In the guest, modules are at
/// /modules/NAME.ko, programs in /bin.
#[derive(clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    command: Command,
}

/// What is run in a guest.
#[derive(clap::Args)]
pub struct Command {
    /// Do not read stdin, as in a loop that reads it itself: the command's is /dev/null
    #[arg(short = 'n', long)]
    pub no_stdin: bool,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "CMD")]
    pub words: Vec<OsString>,
}

pub const EXIT_STATUS: &str = "\
Exit status:
  the command's own; 128+N when signal N ended it; 126 or 127 when it cannot be run or found
  120  the lab's own error
  121  boot failure: the guest never came to the command
  122  kernel panic or oops, or the guest stopped under the command
  123  the command ended with 0, but memory was leaked (--kmemleak)
  124  time-out
  141  nobody reads the output any more
With 121, 122 and 124 the run's folder is named and the last console lines are shown.

Example:
  lab run --cpus 4 -- sh -c 'insmod /modules/hello.ko && dmesg | tail -1'
  while read -r name; do lab run -n -- modinfo \"/modules/$name.ko\"; done <names";

pub fn main(mut args: Args) -> Result<u8> {
    // One more process would be instructions, too.
    args.options.console = !args.options.icount;
    guest::run(&args.options, &[], &args.command, false)
}
