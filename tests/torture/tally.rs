//! What was done to a node, by all threads and their children.

use std::fmt;
use std::mem::size_of;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use nix::errno::Errno;
use nix::sys::mman::{mmap, munmap, MapFlags, ProtFlags};

use crate::call::Call;
use crate::nodes::{Ioctl, Node};
use crate::place::Way;

/// In memory that is the same for children.
pub struct Tally {
    counts: *const Counts,
}

/// All 0 at first.
#[derive(Default)]
pub struct Counts {
    writes: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    resets: AtomicU64,
    killed: AtomicU64,
}

impl Tally {
    pub fn new() -> Tally {
        let length = NonZeroUsize::new(size_of::<Counts>()).unwrap();
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_ANONYMOUS;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let counts = unsafe { mmap(None, length, protection, flags, -1, 0) }.unwrap();
        Tally {
            counts: counts.cast(),
        }
    }
}

// SAFETY: all that it points to are atomics.
unsafe impl Send for Tally {}
// SAFETY: as above.
unsafe impl Sync for Tally {}

impl Deref for Tally {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        // SAFETY: mapped until dropped, aligned to a page, and zeroes are a `Counts`.
        unsafe { &*self.counts }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody has a reference into it.
        unsafe { munmap(self.counts as *mut _, size_of::<Counts>()) }.unwrap();
    }
}

impl Counts {
    pub fn count(&self, node: &Node, call: &Call, result: Result<usize, Errno>) {
        let bytes = match result {
            Ok(bytes) => bytes,
            Err(_) => return,
        };
        match call {
            Call::Move { way, .. } | Call::Pipe { way, .. } => match way {
                Way::Read => {
                    self.bytes_read.fetch_add(bytes as u64, Relaxed);
                }
                Way::Write => {
                    self.bytes_written.fetch_add(bytes as u64, Relaxed);
                    self.writes.fetch_add((bytes > 0).into(), Relaxed);
                }
            },
            Call::Ioctl { request, .. } => {
                let reset = node.ioctl(*request).map_or(false, Ioctl::resets);
                self.resets.fetch_add(reset.into(), Relaxed);
            }
            _ => {}
        }
    }

    /// Notes that somebody was killed who may have been in a call that is not counted now.
    pub fn count_killed(&self) {
        self.killed.fetch_add(1, Relaxed);
    }

    pub fn is_exact(&self) -> bool {
        self.killed.load(Relaxed) == 0
    }

    /// Whether the node was told to begin at 0.
    pub fn was_reset(&self) -> bool {
        self.resets.load(Relaxed) > 0
    }

    pub fn writes(&self) -> u64 {
        self.writes.load(Relaxed)
    }

    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Relaxed)
    }

    pub fn bytes_written(&self) -> u64 {
        self.bytes_written.load(Relaxed)
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: &Counts = self;
        f.debug_struct("Tally")
            .field("writes", &counts.writes)
            .field("bytes_read", &counts.bytes_read)
            .field("bytes_written", &counts.bytes_written)
            .field("resets", &counts.resets)
            .field("killed", &counts.killed)
            .finish()
    }
}
