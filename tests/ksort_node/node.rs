//! The node, and numbers as the bytes that it takes and gives.

use std::fs::OpenOptions;
use std::ops::Deref;
use std::os::unix::io::AsRawFd;

use abi::ksort::{
    get_algorithm, get_order, get_stats, get_type, ksort_stats, set_algorithm, set_order, set_type,
    KSORT_AUTO, KSORT_DOWN, KSORT_HEAP, KSORT_I32, KSORT_I64, KSORT_PARALLEL, KSORT_QUICK,
    KSORT_RADIX, KSORT_U32, KSORT_U64, KSORT_UP,
};
use nix::errno::Errno;
use nix::fcntl::{fcntl, FcntlArg, OFlag};
use tests::Module;

use crate::numbers::{Number, Pattern};

pub const PATH: &str = "/dev/ksort";

pub const TYPES: [u32; 4] = [KSORT_I32, KSORT_U32, KSORT_I64, KSORT_U64];
pub const ORDERS: [u32; 2] = [KSORT_UP, KSORT_DOWN];
pub const ALGORITHMS: [u32; 5] = [
    KSORT_AUTO,
    KSORT_HEAP,
    KSORT_QUICK,
    KSORT_RADIX,
    KSORT_PARALLEL,
];

#[track_caller]
pub fn load(parameters: &[&str]) -> Module {
    Module::load("ksort", parameters)
        .unwrap_or_else(|error| panic!("ksort.ko does not load with {parameters:?}: {error}"))
}

/// Numbers of a type that the node knows.
pub(crate) trait Typed: Number {
    const TYPE: u32;
}

impl Typed for i32 {
    const TYPE: u32 = KSORT_I32;
}

impl Typed for u32 {
    const TYPE: u32 = KSORT_U32;
}

impl Typed for i64 {
    const TYPE: u32 = KSORT_I64;
}

impl Typed for u64 {
    const TYPE: u32 = KSORT_U64;
}

/// Numbers as the node takes and gives them.
pub(crate) fn bytes_of<N: Typed>(numbers: &[N]) -> &[u8] {
    let length = std::mem::size_of_val(numbers);
    // SAFETY: they are integers, so all of their bytes are initialised; and any address will do.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), length) }
}

/// Random numbers of the type that a session begins with.
pub fn random(count: usize, seed: u64) -> Vec<i32> {
    Pattern::Random.numbers(count, seed)
}

/// What std makes of them.
pub(crate) fn sorted_by_std<N: Typed>(numbers: &[N]) -> Vec<N> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted
}

/// Compares without printing a hundred thousand numbers.
#[track_caller]
pub(crate) fn assert_same<N: Typed>(read: &[u8], expected: &[N], what: &str) {
    let bytes = bytes_of(expected);
    assert_eq!(read.len(), bytes.len(), "{what}: length");
    if read != bytes {
        let size = std::mem::size_of::<N>();
        let numbers = read.chunks(size).zip(bytes.chunks(size));
        let at = numbers.take_while(|(is, should)| is == should).count();
        let is = &read[at * size..][..size];
        panic!(
            "{what}: at {at} there is {is:02x?} and not {:?}",
            expected[at]
        );
    }
}

/// A session.
pub struct Node(pub tests::Node);

impl Node {
    /// Opens the node for reading and writing.
    #[track_caller]
    pub fn open() -> Node {
        Node::open_with(OpenOptions::new().read(true).write(true))
    }

    #[track_caller]
    pub fn open_with(options: &OpenOptions) -> Node {
        Node(tests::Node::open(PATH, options))
    }

    /// A session that has these numbers.
    #[track_caller]
    pub(crate) fn with<N: Typed>(numbers: &[N]) -> Node {
        let node = Node::open();
        assert_eq!(node.set_type(N::TYPE), Ok(()));
        node.write_all(bytes_of(numbers));
        node
    }

    /// Another descriptor of the same session.
    pub fn duplicate(&self) -> Node {
        Node(self.0.duplicate())
    }

    /// For all who share the open file.
    pub fn set_nonblocking(&self) {
        let flags = FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
        fcntl(self.as_raw_fd(), flags).expect("fcntl(2) failed");
    }

    /// One write(2) that takes all.
    #[track_caller]
    pub fn write_all(&self, bytes: &[u8]) {
        assert_eq!(self.write(bytes), Ok(bytes.len()));
    }

    /// One read(2) that allocates nothing.
    pub fn read_into(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        nix::unistd::read(self.as_raw_fd(), buffer)
    }

    /// All from the position on.
    #[track_caller]
    pub fn read_all(&self) -> Vec<u8> {
        self.read_in_pieces_of(1 << 20)
    }

    pub fn number_type(&self) -> u32 {
        get_type(&self.0).expect("KSORT_GET_TYPE failed")
    }

    pub fn set_type(&self, value: u32) -> Result<(), Errno> {
        set_type(&self.0, value)
    }

    pub fn order(&self) -> u32 {
        get_order(&self.0).expect("KSORT_GET_ORDER failed")
    }

    pub fn set_order(&self, value: u32) -> Result<(), Errno> {
        set_order(&self.0, value)
    }

    pub fn algorithm(&self) -> u32 {
        get_algorithm(&self.0).expect("KSORT_GET_ALGORITHM failed")
    }

    pub fn set_algorithm(&self, value: u32) -> Result<(), Errno> {
        set_algorithm(&self.0, value)
    }

    pub fn stats(&self) -> ksort_stats {
        get_stats(&self.0).expect("KSORT_GET_STATS failed")
    }
}

impl Deref for Node {
    type Target = tests::Node;

    fn deref(&self) -> &tests::Node {
        &self.0
    }
}
