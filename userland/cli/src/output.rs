//! Standard output and standard error.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::io::{AsRawFd, RawFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags};

use crate::{Waiter, Wake};

const PAGE: usize = 4096;

/// Writes `PROGRAM: MESSAGE` to standard error, without the panic of `eprintln!` when nobody
/// listens there, and in one write, so that the lines of several programs do not mix.
pub fn complain(program: &str, message: fmt::Arguments<'_>) {
    let line = format!("{program}: {message}\n");
    // With standard error gone the exit status is all that can still be told.
    let _ = stderr().write_all(line.as_bytes());
}

/// Standard output or standard error, without a buffer and a lock, and with every error told: std's
/// own take a descriptor that cannot be written for one that has been.
#[derive(Clone, Copy)]
pub struct Stream(RawFd);

/// Standard output.
pub fn stdout() -> Stream {
    Stream(1)
}

/// Standard error.
pub fn stderr() -> Stream {
    Stream(2)
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match nix::unistd::write(self.0, bytes) {
                // Another program may have made a shared terminal or pipe non-blocking.
                Err(Errno::EAGAIN) => {
                    let room = PollFd::new(self.0, PollFlags::POLLOUT);
                    match poll(&mut [room], -1) {
                        Ok(_) | Err(Errno::EINTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

/// Writes to standard output, for a program that then ends: SIGINT, SIGTERM or the end of whoever
/// reads it make an end of that, and are no error.
pub fn print(bytes: &[u8]) -> Result<()> {
    write_all(&Waiter::new()?, bytes).map(|_| ())
}

/// Writes to standard output; `Stop` if a signal came or nobody reads there any more.
pub fn write_all(waiter: &Waiter, mut bytes: &[u8]) -> Result<Wake> {
    let stdout = stdout();
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
