//! `lab console`: the console of a guest that runs.

use super::shell::{Terminal, SIGNALS};
use crate::cache::{runs, Lock};
use crate::guest::{self, qemu, CONSOLE_SOCKET};
use crate::output::{self, say};
use anyhow::{bail, Context, Result};
use cli::{Waiter, Wake};
use nix::libc::STDIN_FILENO;
use nix::sys::termios::{cfmakeraw, tcgetattr, tcsetattr, SetArg};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;

/// Have a shell on the console of a guest that runs
///
/// Enter starts the shell; Ctrl-] leaves the console as it is. A guest of `lab run` has such a shell,
/// if it does not count instructions. Without a terminal, stdin is typed there, and all that the
/// console says comes out, until the run ends.
#[derive(clap::Args)]
pub struct Args {
    /// The run, as `lab runs` lists it
    id: String,
}

/// Ctrl-]
const LEAVE: u8 = 0x1d;

pub fn main(args: Args) -> Result<u8> {
    let run = runs::find(&args.id)?;
    let id = &run.id;
    if !run.folder.join(CONSOLE_SOCKET).exists() {
        bail!("run {id} has no console to share; that of a shell is its own terminal");
    }
    let _lock = match Lock::try_take(&run.folder.join("console.lock"))? {
        Some(lock) => lock,
        None => {
            bail!("somebody has the console of run {id}; `lab attach {id}` prints what it says")
        }
    };
    let mut socket = qemu::in_folder(&run.folder, CONSOLE_SOCKET, |path| {
        UnixStream::connect(path)
    })
    .with_context(|| format!("cannot connect to the console of run {id}"))?;
    let waiter = Waiter::of(&SIGNALS)?;
    let terminal = raw_terminal()?;
    if terminal.is_some() {
        say!("the console of run {id}: Enter starts a shell, Ctrl-] leaves\r");
    }
    let (typed, is_terminal) = (socket.try_clone()?, terminal.is_some());
    // Not waited for: nobody can tell when the next key is pressed.
    thread::spawn(move || type_there(typed, is_terminal));
    let result = show(&mut socket, &waiter);
    drop(terminal);
    // If one of the signals has come, it ends the lab now.
    waiter.unblock()?;
    result
}

/// Prints what comes from the console, until it is closed or left.
fn show(socket: &mut UnixStream, waiter: &Waiter) -> Result<u8> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        if let Wake::Stop = waiter.readable(socket, None)? {
            return Ok(output::STATUSES.unread);
        }
        let n = match socket.read(&mut buffer) {
            // QEMU was killed.
            Ok(0) | Err(_) => return Ok(0),
            Ok(n) => n,
        };
        match output::print(&buffer[..n])? {
            0 => {}
            status => return Ok(status),
        }
    }
}

/// Writes to the console what is typed here.
fn type_there(mut socket: UnixStream, is_terminal: bool) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = guest::stdin::read(&mut buffer) {
        let bytes = &buffer[..n];
        let end = bytes.iter().position(|&byte| is_terminal && byte == LEAVE);
        if socket.write_all(&bytes[..end.unwrap_or(n)]).is_err() {
            return;
        }
        if end.is_some() {
            // The other thread reads that as the end.
            let _gone = socket.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// Has the terminal pass on each key, if there is one, until the value is dropped.
fn raw_terminal() -> Result<Option<Terminal>> {
    let saved = match tcgetattr(STDIN_FILENO) {
        Ok(saved) => saved,
        Err(_) => return Ok(None),
    };
    let mut raw = saved.clone();
    cfmakeraw(&mut raw);
    let terminal = Terminal(saved);
    tcsetattr(STDIN_FILENO, SetArg::TCSADRAIN, &raw).context("cannot change the terminal")?;
    Ok(Some(terminal))
}
