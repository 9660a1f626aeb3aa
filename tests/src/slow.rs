//! Memory that a system call cannot get on with.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::unix::io::{AsRawFd, FromRawFd};

use nix::errno::Errno;
use nix::sys::mman::{mmap, munmap, MapFlags, ProtFlags};

use crate::memory::PAGE;

/// A page as any other, and behind it one that whoever touches it sleeps for, until
/// [`release`](Self::release).
///
/// It is missing, and userfaultfd(2) has said that somebody will see to it, which nobody does.
pub struct SlowMemory {
    start: usize,
    userfaultfd: Option<File>,
}

impl SlowMemory {
    #[allow(clippy::new_without_default)]
    pub fn new() -> SlowMemory {
        let length = NonZeroUsize::new(2 * PAGE).unwrap();
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let start = unsafe { mmap(None, length, protection, flags, -1, 0) }.unwrap() as usize;
        SlowMemory {
            start,
            userfaultfd: Some(userfaultfd(start + PAGE)),
        }
    }

    /// The address `bytes` before the slow page.
    pub fn before_the_slow_page(&self, bytes: usize) -> usize {
        self.start + PAGE - bytes
    }

    /// Lets all go on who sleep for the slow page; from now on it is as any other.
    pub fn release(&mut self) {
        // Closed, it wakes them, and they find that nobody sees to the page.
        self.userfaultfd = None;
    }

    /// The `length` bytes from `bytes` before the page on that was slow. No call may use them now.
    pub fn bytes(&mut self, bytes: usize, length: usize) -> Vec<u8> {
        self.release();
        let address = self.before_the_slow_page(bytes) as *const u8;
        // SAFETY: within the two pages, which are mapped and initialised.
        unsafe { std::slice::from_raw_parts(address, length) }.to_vec()
    }
}

impl Drop for SlowMemory {
    fn drop(&mut self) {
        self.release();
        // SAFETY: the mapping is ours, and nobody has a reference into it.
        unsafe { munmap(self.start as *mut _, 2 * PAGE) }.unwrap();
    }
}

// Of linux/userfaultfd.h, which libc has not.
const UFFD_API: u64 = 0xaa;
const UFFDIO_REGISTER_MODE_MISSING: u64 = 1;

#[repr(C)]
#[derive(Default)]
pub struct uffdio_api {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
#[derive(Default)]
pub struct uffdio_register {
    start: u64,
    len: u64,
    mode: u64,
    ioctls: u64,
}

nix::ioctl_readwrite!(uffdio_api, 0xaa, 0x3f, uffdio_api);
nix::ioctl_readwrite!(uffdio_register, 0xaa, 0x00, uffdio_register);

/// Has who touches the page at `address`, while it is missing, wait for what this descriptor's
/// owner does.
fn userfaultfd(address: usize) -> File {
    // SAFETY: it takes no pointers.
    let file = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
    let file =
        Errno::result(file).expect("userfaultfd(2) failed; has the kernel CONFIG_USERFAULTFD?");
    // SAFETY: it is a new descriptor, and nobody else's.
    let file = unsafe { File::from_raw_fd(file as i32) };
    let mut api = uffdio_api {
        api: UFFD_API,
        ..Default::default()
    };
    let mut page = uffdio_register {
        start: address as u64,
        len: PAGE as u64,
        mode: UFFDIO_REGISTER_MODE_MISSING,
        ..Default::default()
    };
    // SAFETY: both are what the kernel asks for; the page is mapped, and nobody refers to it.
    unsafe {
        uffdio_api(file.as_raw_fd(), &mut api).expect("UFFDIO_API failed");
        uffdio_register(file.as_raw_fd(), &mut page).expect("UFFDIO_REGISTER failed");
    }
    file
}
