//! `lab shell`: an interactive shell in a new guest.

use crate::guest;
use crate::options::Options;
use anyhow::{Context, Result};
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
    let saved = nix::sys::termios::tcgetattr(nix::libc::STDIN_FILENO).ok();
    let result = guest::shell(&args.options, &window());
    if let Some(saved) = saved {
        // QEMU does it as well, but not when it was killed.
        nix::sys::termios::tcsetattr(
            nix::libc::STDIN_FILENO,
            nix::sys::termios::SetArg::TCSADRAIN,
            &saved,
        )
        .context("cannot restore the terminal; `reset` does")?;
    }
    result
}

/// The terminal's size, which a serial line does not tell; `stty` in the guest sets it.
fn window() -> Vec<(String, OsString)> {
    let (rows, columns) = console::Term::stdout().size();
    [("LINES", rows), ("COLUMNS", columns)]
        .map(|(name, value)| (name.to_owned(), value.to_string().into()))
        .into()
}
