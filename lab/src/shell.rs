//! `lab shell`: an interactive shell in a new guest.

use crate::guest;
use crate::options::Options;
use anyhow::{Context, Result};
use nix::libc::STDIN_FILENO;
use nix::sys::termios::{tcgetattr, tcsetattr, SetArg};
use std::ffi::OsString;

/// Boot a guest with a shell on its console.
///
/// Modules are at /modules/NAME.ko, programs in /bin. `exit` powers the guest off; Ctrl-A x ends
/// it at once.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    options: Options,
}

pub fn main(args: Args) -> Result<u8> {
    let saved = tcgetattr(STDIN_FILENO)
        .context("a shell needs a terminal on stdin; for scripts there is `lab run`")?;
    let result = guest::shell(&args.options, &terminal());
    // QEMU does it as well, but not when it was killed.
    tcsetattr(STDIN_FILENO, SetArg::TCSADRAIN, &saved)
        .context("cannot restore the terminal; `reset` does")?;
    result
}

/// What a serial line does not tell: the terminal's size and kind. Programs take it from these.
fn terminal() -> Vec<(String, OsString)> {
    let (rows, columns) = console::Term::stdout().size();
    let kind = std::env::var_os("TERM").unwrap_or_else(|| "linux".into());
    let values = [rows.to_string().into(), columns.to_string().into(), kind];
    let names = ["LINES", "COLUMNS", "TERM"].map(str::to_owned);
    names.into_iter().zip(values).collect()
}
