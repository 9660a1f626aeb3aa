//! An open node, whichever it is of.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, RawFd};
use std::path::Path;
use std::process::Stdio;

use nix::errno::Errno;

use crate::errno::errno;

/// An open node. What a module has of its own is said by a type that leads to this one.
pub struct Node(File);

impl Node {
    #[track_caller]
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Node {
        let path = path.as_ref();
        Node::try_open(path, options).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// One open(2).
    pub fn try_open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Node, Errno> {
        errno(options.open(path)).map(Node)
    }

    /// Another descriptor of the same open file.
    pub fn duplicate(&self) -> Node {
        Node(self.0.try_clone().expect("dup(2) failed"))
    }

    /// One read(2) of at most `length` bytes.
    pub fn read(&self, length: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; length];
        let taken = nix::unistd::read(self.as_raw_fd(), &mut bytes)?;
        bytes.truncate(taken);
        Ok(bytes)
    }

    /// One pread(2) of at most `length` bytes.
    pub fn read_from(&self, position: u64, length: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; length];
        let taken = errno(self.0.read_at(&mut bytes, position))?;
        bytes.truncate(taken);
        Ok(bytes)
    }

    /// All from the position to the end, in reads of at most `length` bytes.
    #[track_caller]
    pub fn read_in_pieces_of(&self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            match self.read(length) {
                Ok(more) if more.is_empty() => return bytes,
                Ok(more) => bytes.extend(more),
                Err(error) => panic!("read: {error}"),
            }
        }
    }

    /// One write(2).
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        nix::unistd::write(self.as_raw_fd(), bytes)
    }

    /// One pwrite(2).
    pub fn write_to(&self, position: u64, bytes: &[u8]) -> Result<usize, Errno> {
        errno(self.0.write_at(bytes, position))
    }

    pub fn seek(&self, to: SeekFrom) -> Result<u64, Errno> {
        errno((&self.0).seek(to))
    }

    #[track_caller]
    pub fn position(&self) -> u64 {
        self.seek(SeekFrom::Current(0)).expect("lseek(2) failed")
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl IntoRawFd for Node {
    fn into_raw_fd(self) -> RawFd {
        self.0.into_raw_fd()
    }
}

impl AsRawFd for Node {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<Node> for Stdio {
    fn from(node: Node) -> Stdio {
        node.0.into()
    }
}
