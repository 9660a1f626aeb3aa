//! The ways to move bytes from or to a node that are neither read(2) nor write(2).

use std::fs::File;
use std::io::{Read, Write};
use std::mem::{size_of, zeroed};
use std::os::unix::io::{AsRawFd, FromRawFd};
use std::ptr::null_mut;

use nix::errno::Errno;

use crate::Node;

/// A part of a vector, at any address: start and length.
pub type Part = (usize, usize);

/// The part that is this slice, to be written.
pub fn part(bytes: &[u8]) -> Part {
    (bytes.as_ptr() as usize, bytes.len())
}

/// The part that is this slice, to be read into.
pub fn part_mut(bytes: &mut [u8]) -> Part {
    (bytes.as_mut_ptr() as usize, bytes.len())
}

fn vector(parts: &[Part]) -> Vec<libc::iovec> {
    let part = |&(start, iov_len): &Part| libc::iovec {
        iov_base: start as *mut libc::c_void,
        iov_len,
    };
    parts.iter().map(part).collect()
}

/// readv(2), or preadv(2) if there is a position.
pub fn readv(node: &Node, parts: &[Part], position: Option<i64>) -> Result<usize, Errno> {
    let (fd, parts) = (node.as_raw_fd(), vector(parts));
    // SAFETY: the tests give the addresses of slices that they look at only afterwards, or of
    // nothing of Rust's.
    let taken = unsafe {
        match position {
            None => libc::readv(fd, parts.as_ptr(), parts.len() as i32),
            Some(position) => libc::preadv(fd, parts.as_ptr(), parts.len() as i32, position),
        }
    };
    Errno::result(taken).map(|taken| taken as usize)
}

/// writev(2), or pwritev(2) if there is a position.
pub fn writev(node: &Node, parts: &[Part], position: Option<i64>) -> Result<usize, Errno> {
    let (fd, parts) = (node.as_raw_fd(), vector(parts));
    // SAFETY: the kernel only reads there.
    let given = unsafe {
        match position {
            None => libc::writev(fd, parts.as_ptr(), parts.len() as i32),
            Some(position) => libc::pwritev(fd, parts.as_ptr(), parts.len() as i32, position),
        }
    };
    Errno::result(given).map(|given| given as usize)
}

/// sendfile(2), which moves `position` if there is one, else that of `from`.
pub fn sendfile(
    to: &impl AsRawFd,
    from: &impl AsRawFd,
    position: Option<&mut i64>,
    length: usize,
) -> Result<usize, Errno> {
    let position = position.map_or(null_mut(), |position| position);
    // SAFETY: the position is there, or null.
    let moved = unsafe { libc::sendfile(to.as_raw_fd(), from.as_raw_fd(), position, length) };
    Errno::result(moved).map(|moved| moved as usize)
}

/// A file in memory, at its end if it has `bytes`.
#[track_caller]
pub fn memory_file(bytes: &[u8]) -> File {
    // SAFETY: a string that ends; the descriptor is new, and nobody else's.
    let mut file = unsafe {
        let fd = libc::memfd_create(b"file\0".as_ptr().cast(), 0);
        File::from_raw_fd(Errno::result(fd).expect("memfd_create(2) failed"))
    };
    file.write_all(bytes).expect("write(2) to a file failed");
    file
}

/// A pipe, for splice(2).
pub struct Pipe {
    read: File,
    write: File,
}

impl Pipe {
    #[allow(clippy::new_without_default)]
    #[track_caller]
    pub fn new() -> Pipe {
        let (read, write) = nix::unistd::pipe().expect("pipe(2) failed");
        // SAFETY: new descriptors, and nobody else's.
        unsafe {
            Pipe {
                read: File::from_raw_fd(read),
                write: File::from_raw_fd(write),
            }
        }
    }

    /// One that has `bytes`.
    #[track_caller]
    pub fn of(bytes: &[u8]) -> Pipe {
        let mut pipe = Pipe::new();
        pipe.write.write_all(bytes).expect("write(2) to a pipe");
        pipe
    }

    /// The next `length` bytes, which are there.
    #[track_caller]
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.read.read_exact(&mut bytes).expect("read(2) of a pipe");
        bytes
    }

    /// How many bytes are in it.
    #[track_caller]
    pub fn len(&self) -> usize {
        let mut len = 0;
        // SAFETY: the argument is an int.
        let done = unsafe { libc::ioctl(self.read.as_raw_fd(), libc::FIONREAD, &mut len) };
        Errno::result(done).expect("FIONREAD failed");
        len as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The end that sendfile(2) writes to.
    pub fn end(&self) -> &File {
        &self.write
    }

    /// splice(2) of at most `length` bytes from the node.
    pub fn splice_from(&self, node: &Node, length: usize) -> Result<usize, Errno> {
        splice(node.as_raw_fd(), self.write.as_raw_fd(), length)
    }

    /// splice(2) of at most `length` bytes to the node.
    pub fn splice_to(&self, node: &Node, length: usize) -> Result<usize, Errno> {
        splice(self.read.as_raw_fd(), node.as_raw_fd(), length)
    }
}

fn splice(from: i32, to: i32, length: usize) -> Result<usize, Errno> {
    // SAFETY: there are no pointers but null.
    let moved = unsafe { libc::splice(from, null_mut(), to, null_mut(), length, 0) };
    Errno::result(moved).map(|moved| moved as usize)
}

/// What io_submit(2) is to do.
#[derive(Clone, Copy)]
pub enum Aio {
    Read,
    Write,
}

/// `struct iocb` of a little-endian machine.
#[repr(C)]
struct Iocb {
    data: u64,
    key: u32,
    rw_flags: i32,
    opcode: u16,
    priority: i16,
    fd: u32,
    buffer: u64,
    length: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    resfd: u32,
}

/// Has io_submit(2) move the part's bytes, and waits for the result.
pub fn aio(node: &Node, what: Aio, part: Part, offset: i64) -> Result<usize, Errno> {
    assert_eq!(size_of::<Iocb>(), 64);
    // SAFETY: zeroes are an `Iocb`.
    let mut iocb: Iocb = unsafe { zeroed() };
    iocb.opcode = match what {
        Aio::Read => 0,
        Aio::Write => 1,
    };
    iocb.fd = node.as_raw_fd() as u32;
    iocb.buffer = part.0 as u64;
    iocb.length = part.1 as u64;
    iocb.offset = offset;
    let mut context: libc::c_ulong = 0;
    let mut event = [0_i64; 4];
    // SAFETY: all that the calls are given is there until io_destroy has returned; of the part's
    // memory see `readv`.
    unsafe {
        Errno::result(libc::syscall(libc::SYS_io_setup, 1, &mut context)).expect("io_setup(2)");
        let mut list = [&mut iocb as *mut Iocb];
        let submitted = libc::syscall(libc::SYS_io_submit, context, 1, list.as_mut_ptr());
        let none: *mut libc::timespec = null_mut();
        let result = Errno::result(submitted).map(|_| {
            libc::syscall(
                libc::SYS_io_getevents,
                context,
                1,
                1,
                event.as_mut_ptr(),
                none,
            )
        });
        libc::syscall(libc::SYS_io_destroy, context);
        assert_eq!(result?, 1, "io_getevents(2)");
    }
    // data, obj, res, res2
    match event[2] {
        errno if errno < 0 => Err(Errno::from_i32(-errno as i32)),
        moved => Ok(moved as usize),
    }
}

/// epoll_ctl(2), which adds the node.
pub fn epoll_add(node: &Node) -> Result<(), Errno> {
    use nix::sys::epoll::{epoll_create, epoll_ctl, EpollEvent, EpollFlags, EpollOp};
    let epoll = epoll_create().expect("epoll_create(2) failed");
    let mut event = EpollEvent::new(EpollFlags::EPOLLIN, 7);
    let result = epoll_ctl(epoll, EpollOp::EpollCtlAdd, node.as_raw_fd(), &mut event);
    nix::unistd::close(epoll).expect("close(2) failed");
    result
}
