//! Memory at which the kernel must stop, and calls that read and write at any address.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::io::AsRawFd;

use nix::errno::Errno;
use nix::sys::mman::{mmap, munmap, MapFlags, ProtFlags};

use crate::Node;

/// An address in the first page, where nothing is ever mapped.
pub const UNMAPPED: usize = 8;
/// An address of the kernel's. What is not below it is refused before a module is asked.
pub const KERNEL: usize = 0xffff_8000_0000_1000;

pub(crate) const PAGE: usize = 4096;

/// read(2) to wherever `address` points.
pub fn read_at(node: &Node, address: usize, length: usize) -> Result<usize, Errno> {
    // SAFETY: the tests only give addresses that hold nothing of Rust's.
    let taken = unsafe { libc::read(node.as_raw_fd(), address as *mut libc::c_void, length) };
    Errno::result(taken).map(|taken| taken as usize)
}

/// write(2) from wherever `address` points.
pub fn write_at(node: &Node, address: usize, length: usize) -> Result<usize, Errno> {
    // SAFETY: the kernel only reads there.
    let given = unsafe { libc::write(node.as_raw_fd(), address as *const libc::c_void, length) };
    Errno::result(given).map(|given| given as usize)
}

/// Pages that can be read and written, between two that cannot.
pub struct EdgeOfMemory {
    start: usize,
    pages: usize,
}

impl EdgeOfMemory {
    /// One page.
    #[allow(clippy::new_without_default)]
    pub fn new() -> EdgeOfMemory {
        EdgeOfMemory::of_pages(1)
    }

    pub fn of_pages(pages: usize) -> EdgeOfMemory {
        let length = NonZeroUsize::new((pages + 2) * PAGE).unwrap();
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let start = unsafe { mmap(None, length, ProtFlags::PROT_NONE, flags, -1, 0) }.unwrap();
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let first = start as usize + PAGE;
        // SAFETY: all but the first and last page of that mapping, of which nobody has a reference.
        let done = unsafe { libc::mprotect(first as *mut _, pages * PAGE, protection) };
        Errno::result(done).unwrap();
        EdgeOfMemory {
            start: start as usize,
            pages,
        }
    }

    /// The address `bytes` before the pages, where nothing can be touched.
    pub fn before_the_page(&self, bytes: usize) -> usize {
        self.start + PAGE - bytes
    }

    /// The address of the last `bytes` bytes of the pages.
    pub fn before_the_edge(&self, bytes: usize) -> usize {
        self.beyond_the_edge() - bytes
    }

    /// The first address behind the pages.
    pub fn beyond_the_edge(&self) -> usize {
        self.start + (1 + self.pages) * PAGE
    }

    /// The last `bytes` bytes of the pages.
    pub fn last(&self, bytes: usize) -> Vec<u8> {
        let address = self.before_the_edge(bytes) as *const u8;
        // SAFETY: within the pages, which are mapped, written by no one now, and initialised.
        unsafe { std::slice::from_raw_parts(address, bytes) }.to_vec()
    }

    /// Writes `bytes` to the end of the pages.
    pub fn set_last(&self, bytes: &[u8]) {
        let address = self.before_the_edge(bytes.len()) as *mut u8;
        // SAFETY: within the pages, of which nobody has a reference.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address, bytes.len()) };
    }
}

impl Drop for EdgeOfMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference into it outlives a call of `last`.
        unsafe { munmap(self.start as *mut _, (self.pages + 2) * PAGE) }.unwrap();
    }
}

/// A GiB that can be written, of which nothing takes memory before it is touched.
pub struct Gibibyte {
    start: *mut u8,
}

impl Gibibyte {
    pub const LENGTH: usize = 1 << 30;

    #[allow(clippy::new_without_default)]
    pub fn new() -> Gibibyte {
        let length = NonZeroUsize::new(Self::LENGTH).unwrap();
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS | MapFlags::MAP_NORESERVE;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let start = unsafe { mmap(None, length, protection, flags, -1, 0) }.unwrap();
        Gibibyte {
            start: start.cast(),
        }
    }

    /// All of it.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is ours, initialised, and borrowed as long as the result.
        unsafe { std::slice::from_raw_parts_mut(self.start, Self::LENGTH) }
    }
}

impl Drop for Gibibyte {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody has a reference into it.
        unsafe { munmap(self.start.cast(), Self::LENGTH) }.unwrap();
    }
}

/// The bytes of memory that nobody has, not even a cache, and that the kernel may have for itself: not
/// those of CMA, which are for devices.
pub fn free_memory() -> usize {
    let path = "/proc/meminfo";
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let kib = |name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok())
    };
    let free = kib("MemFree:").unwrap_or_else(|| panic!("{path}: {text:?}"));
    (free - kib("CmaFree:").unwrap_or(0)) << 10
}
