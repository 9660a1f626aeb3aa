//! The node.

use std::fs::File;
use std::os::unix::io::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use abi::simrupt::{get_stats, simrupt_stats};
use anyhow::{anyhow, bail, Context, Result};
use cli::Access;
use nix::errno::Errno;

/// An open `/dev/simrupt`.
pub struct Node {
    file: File,
    path: PathBuf,
}

impl Node {
    /// Opens the node so that a read never waits: another reader may take the bytes that poll(2)
    /// has just announced, and a read that then slept would not see a signal or the end of the
    /// time.
    pub fn open(path: &Path) -> Result<Node> {
        Ok(Node {
            file: cli::open(path, Access::Read, "simrupt.ko")?,
            path: path.to_owned(),
        })
    }

    /// The bytes that are there now, at most `buffer.len()`; `None` if there are none.
    pub fn read<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
        match nix::unistd::read(self.file.as_raw_fd(), buffer) {
            Ok(0) => bail!(
                "{}: the stream ended; is it a simrupt node?",
                self.path.display()
            ),
            Ok(length) => Ok(Some(&buffer[..length])),
            Err(Errno::EAGAIN) => Ok(None),
            Err(error) => {
                Err(error).with_context(|| format!("{}: cannot read", self.path.display()))
            }
        }
    }

    pub fn stats(&self) -> Result<simrupt_stats> {
        let path = self.path.display();
        get_stats(&self.file).map_err(|error| match error {
            Errno::ENOTTY => anyhow!("{path}: has no statistics; is it a simrupt node?"),
            _ => anyhow!("{path}: cannot get the statistics: {error}"),
        })
    }
}

impl AsRawFd for Node {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}
