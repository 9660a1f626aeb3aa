//! The node of the module, and its statistics.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::PathBuf;
use std::process::Stdio;

use abi::misc::{get_stats, misc_stats, reset_stats};
use nix::errno::Errno;
use tests::Module;

use crate::MEMBER;

/// The longest message.
pub const MAX: usize = abi::misc::MISC_MESSAGE_MAX as usize;

pub fn path() -> PathBuf {
    PathBuf::from("/dev").join(MEMBER.name)
}

#[track_caller]
pub fn load(parameters: &[&str]) -> Module {
    let name = MEMBER.name;
    Module::load(name, parameters)
        .unwrap_or_else(|error| panic!("{name}.ko does not load with {parameters:?}: {error}"))
}

/// Loads the module with `message` as its first.
#[track_caller]
pub fn load_with(message: &str) -> Module {
    load(&[&format!("initmsg=\"{message}\"")])
}

/// The current message, as a newcomer reads it.
#[track_caller]
pub fn current() -> Vec<u8> {
    Node::open_to_read().read_all()
}

/// Makes `message` the current one.
#[track_caller]
pub fn set(message: &[u8]) {
    assert_eq!(Node::open().write(message), Ok(message.len()));
}

/// What a node that was opened before `newer` replaced `older` reads from position 0.
pub fn seen_by_opener<'a>(older: &'a [u8], newer: &'a [u8]) -> &'a [u8] {
    if MEMBER.opener_keeps_message {
        older
    } else {
        newer
    }
}

/// An open node.
pub struct Node(File);

impl Node {
    /// Opens the node for reading and writing.
    #[track_caller]
    pub fn open() -> Node {
        Node::open_with(OpenOptions::new().read(true).write(true))
    }

    #[track_caller]
    pub fn open_to_read() -> Node {
        Node::open_with(OpenOptions::new().read(true))
    }

    #[track_caller]
    pub fn open_to_write() -> Node {
        Node::open_with(OpenOptions::new().write(true))
    }

    #[track_caller]
    pub fn open_with(options: &OpenOptions) -> Node {
        let path = path();
        Node(
            options
                .open(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        )
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

    /// All from the position to the end.
    #[track_caller]
    pub fn read_all(&self) -> Vec<u8> {
        self.read_in_pieces_of(2 * MAX)
    }

    /// One write(2).
    pub fn write(&self, message: &[u8]) -> Result<usize, Errno> {
        nix::unistd::write(self.as_raw_fd(), message)
    }

    /// One pwrite(2).
    pub fn write_to(&self, position: u64, message: &[u8]) -> Result<usize, Errno> {
        errno(self.0.write_at(message, position))
    }

    pub fn seek(&self, to: SeekFrom) -> Result<u64, Errno> {
        errno((&self.0).seek(to))
    }

    #[track_caller]
    pub fn rewind(&self) {
        assert_eq!(self.seek(SeekFrom::Start(0)), Ok(0));
    }

    #[track_caller]
    pub fn position(&self) -> u64 {
        self.seek(SeekFrom::Current(0)).expect("lseek(2) failed")
    }

    #[track_caller]
    pub fn stats(&self) -> misc_stats {
        get_stats(self).expect("MISC_GET_STATS failed")
    }

    pub fn reset_stats(&self) -> Result<(), Errno> {
        reset_stats(self)
    }

    /// Makes `call` and fails unless it changes the statistics as `change` says, and no others.
    /// How many messages and references there are depends on the member, so its own tests count
    /// them.
    #[track_caller]
    pub fn counts<T>(&self, change: impl FnOnce(&mut misc_stats), call: impl FnOnce() -> T) -> T {
        let mut expected = self.stats();
        change(&mut expected);
        let result = call();
        let stats = self.stats();
        if MEMBER.opener_keeps_message {
            expected.messages = stats.messages;
            expected.references = stats.references;
        }
        assert_eq!(stats, expected);
        result
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
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

fn errno<T>(result: io::Result<T>) -> Result<T, Errno> {
    result.map_err(|error| Errno::from_i32(error.raw_os_error().unwrap_or(0)))
}
