//! The node of the module, and its statistics.

use std::fs::OpenOptions;
use std::io::SeekFrom;
use std::ops::Deref;
use std::path::PathBuf;

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
pub struct Node(pub tests::Node);

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
        Node(tests::Node::open(path(), options))
    }

    /// Another descriptor of the same open file.
    pub fn duplicate(&self) -> Node {
        Node(self.0.duplicate())
    }

    /// All from the position to the end.
    #[track_caller]
    pub fn read_all(&self) -> Vec<u8> {
        self.read_in_pieces_of(2 * MAX)
    }

    #[track_caller]
    pub fn rewind(&self) {
        assert_eq!(self.seek(SeekFrom::Start(0)), Ok(0));
    }

    #[track_caller]
    pub fn stats(&self) -> misc_stats {
        get_stats(&self.0).expect("MISC_GET_STATS failed")
    }

    pub fn reset_stats(&self) -> Result<(), Errno> {
        reset_stats(&self.0)
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

impl Deref for Node {
    type Target = tests::Node;

    fn deref(&self) -> &tests::Node {
        &self.0
    }
}
