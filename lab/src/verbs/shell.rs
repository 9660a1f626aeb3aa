//! `lab shell`: an interactive shell in a new guest.

use crate::guest;
use crate::options::Options;
use crate::output::say;
use anyhow::{Context, Result};
use cli::Waiter;
use nix::libc::STDIN_FILENO;
use nix::sys::signal::Signal;
use nix::sys::termios::{tcgetattr, tcsetattr, SetArg, Termios};
use std::ffi::OsString;

/// Boot a guest with a shell on its console
///
/// Modules are at /modules/NAME.ko, programs in /bin. `exit` powers the guest off; Ctrl-A x ends
/// it at once.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    options: Options,
}

/// What else would end the lab before the terminal is restored.
pub(super) const SIGNALS: [Signal; 4] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
];

pub fn main(args: Args) -> Result<u8> {
    let saved = tcgetattr(STDIN_FILENO)
        .context("a shell needs a terminal on stdin; for scripts there is `lab run`")?;
    let waiter = Waiter::of(&SIGNALS)?;
    let terminal = Terminal(saved);
    let result = guest::shell(&args.options, &variables(), &waiter);
    drop(terminal);
    // If one of them has come, it ends the lab now.
    waiter.unblock()?;
    result
}

/// The terminal as it was, which is restored at the end. QEMU does so as well, but not when it was
/// killed.
pub(super) struct Terminal(pub Termios);

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Err(e) = tcsetattr(STDIN_FILENO, SetArg::TCSADRAIN, &self.0) {
            say!("cannot restore the terminal; `reset` does: {e}");
        }
    }
}

/// What a serial line does not tell: the terminal's size and kind. Programs take it from these.
fn variables() -> Vec<(String, OsString)> {
    let (rows, columns) = console::Term::stdout().size();
    let kind = std::env::var_os("TERM").unwrap_or_else(|| "linux".into());
    let values = [rows.to_string().into(), columns.to_string().into(), kind];
    let names = ["LINES", "COLUMNS", "TERM"].map(str::to_owned);
    names.into_iter().zip(values).collect()
}
