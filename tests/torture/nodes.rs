//! The nodes: their calls, and what must hold when all calls are over.

mod ksort;
mod misc;
mod percpu_counter;
mod simrupt;

use std::os::unix::io::BorrowedFd;

use fastrand::Rng;
use nix::errno::Errno;
use tests::Module;

use crate::tally::Tally;

pub use ksort::KSORT;
pub use misc::{MISC_MUTEX, MISC_RCU, MISC_REFCOUNT, MISC_RWLOCK, MISC_SPINLOCK};
pub use percpu_counter::PERCPU_COUNTER;
pub use simrupt::SIMRUPT;

/// A module with a node of the same name.
pub struct Node {
    pub name: &'static str,
    /// Whether its files have a position.
    pub seekable: bool,
    /// Whether there is something to wait for, so that epoll(7) takes it.
    pub polls: bool,
    /// What read(2) and its sisters may fail with, besides what holds for all files.
    pub read: &'static [Errno],
    /// The same of write(2).
    pub write: &'static [Errno],
    pub ioctls: &'static [Ioctl],
    /// What any ioctl(2) may fail with, one that is unknown included.
    pub every_ioctl: &'static [Errno],
    /// Parameters to load it with.
    pub load: fn(&mut Rng) -> Vec<String>,
    /// What can be written to its parameters while it runs, and whether it is taken.
    pub settings: &'static [(&'static str, &'static str, bool)],
    /// Fails unless an open file is as promised, now that nobody else uses it.
    pub check_file: fn(BorrowedFd<'_>),
    /// Fails unless the statistics agree with what was done, now that all files are closed.
    pub check_module: fn(&'static Node, &Module, &Tally),
}

/// An ioctl of a node.
pub struct Ioctl {
    pub request: u32,
    /// Of its argument, in bytes.
    pub size: usize,
    /// What it may fail with, besides `EFAULT` for a bad argument.
    pub errnos: &'static [Errno],
}

impl Ioctl {
    /// Whether it sets counts to 0, as the one without an argument does.
    pub fn resets(&self) -> bool {
        self.size == 0
    }
}

impl Node {
    pub fn path(&self) -> String {
        format!("/dev/{}", self.name)
    }

    pub fn ioctl(&self, request: u32) -> Option<&Ioctl> {
        self.ioctls.iter().find(|ioctl| ioctl.request == request)
    }
}

/// One of these, as a parameter's value.
fn any_of(rng: &mut Rng, parameter: &str, values: &[&str]) -> String {
    format!("{parameter}={}", rng.choice(values).unwrap())
}
