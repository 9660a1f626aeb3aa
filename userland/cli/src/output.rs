//! Standard output and standard error.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::io::AsRawFd;

use anyhow::{Context, Result};
use nix::errno::Errno;

use crate::{Waiter, Wake};

const PAGE: usize = 4096;

/// Writes `PROGRAM: MESSAGE` to standard error, without the panic of `eprintln!` when nobody
/// listens there.
pub fn complain(program: &str, message: fmt::Arguments<'_>) {
    // With standard error gone the exit status is all that can still be told.
    let _ = writeln!(io::stderr(), "{program}: {message}");
}

/// Writes to standard output, for a program that then ends: SIGINT, SIGTERM or the end of whoever
/// reads it make an end of that, and are no error.
pub fn print(bytes: &[u8]) -> Result<()> {
    write_all(&Waiter::new()?, bytes).map(|_| ())
}

/// Writes to standard output; `Stop` if a signal came or nobody reads there any more.
pub fn write_all(waiter: &Waiter, mut bytes: &[u8]) -> Result<Wake> {
    let stdout = io::stdout();
    while !bytes.is_empty() {
        if let Wake::Stop = waiter.writable(&stdout)? {
            return Ok(Wake::Stop);
        }
        // A pipe that poll(2) calls writable takes this much without sleeping.
        let part = bytes.get(..PAGE).unwrap_or(bytes);
        match nix::unistd::write(stdout.as_raw_fd(), part) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(Errno::EPIPE) => return Ok(Wake::Stop),
            Err(error) => return Err(error).context("standard output: cannot write"),
        }
    }
    Ok(Wake::Ready)
}
