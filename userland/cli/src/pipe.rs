//! A pipe between threads.

use std::fs::File;
use std::os::unix::io::FromRawFd;

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::unistd::pipe2;

/// A pipe: the end to read from, and the end to write to. [`Waiter`](crate::Waiter) can wait for
/// the one until the other is closed.
pub fn pipe() -> Result<(File, File)> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC).context("cannot make a pipe")?;
    // SAFETY: both descriptors were opened just now, and nobody else knows them.
    Ok(unsafe { (File::from_raw_fd(read), File::from_raw_fd(write)) })
}
