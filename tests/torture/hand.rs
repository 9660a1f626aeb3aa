//! Making calls.

use std::os::unix::io::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use libc::{c_long, c_void, iovec};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, pipe2, ForkResult, Pid};

use crate::call::{Buffers, Call, Mix, Pipe, Slot};
use crate::errnos;
use crate::place::{Buffer, Memory, Way};
use crate::tally::Tally;

/// What one thread makes its calls with.
pub struct Hand<'a> {
    mix: Mix,
    tally: &'a Tally,
    path: std::ffi::CString,
    memory: Memory,
    pipe: (OwnedFd, OwnedFd),
    epoll: OwnedFd,
}

impl<'a> Hand<'a> {
    pub fn new(mix: Mix, tally: &'a Tally, rng: &mut Rng) -> Hand<'a> {
        let (read, write) = pipe2(OFlag::O_NONBLOCK).expect("pipe2(2) failed");
        let hand = Hand {
            mix,
            tally,
            path: std::ffi::CString::new(mix.node.path()).unwrap(),
            memory: Memory::new(rng),
            // SAFETY: new descriptors, and nobody else's.
            pipe: unsafe { (OwnedFd::from_raw_fd(read), OwnedFd::from_raw_fd(write)) },
            // SAFETY: as above.
            epoll: unsafe { OwnedFd::from_raw_fd(Errno::result(libc::epoll_create1(0)).unwrap()) },
        };
        // Something for splice(2) and tee(2) to take.
        nix::unistd::write(write, b"some bytes").expect("write(2) to a pipe failed");
        hand
    }

    /// Makes a call and counts it. What is wrong with what it returned, if anything is.
    pub fn make(&self, call: &Call) -> (Result<usize, Errno>, Option<String>) {
        let result = match *call {
            Call::Fork {
                seed,
                calls,
                killed,
            } => return self.fork(seed, calls, killed),
            _ => Errno::result(self.syscall(call)).map(|value| value as usize),
        };
        self.tally.count(self.mix.node, call, result);
        (result, errnos::complaint(self.mix.node, call, result))
    }

    fn syscall(&self, call: &Call) -> c_long {
        // SAFETY: the kernel writes to nothing but `memory`, which holds nothing of Rust's, and to
        // what is here for the call. A mapping that came to be would be a failure, and kept.
        unsafe {
            match *call {
                Call::Open { slot, flags } => self.open(slot, flags).into(),
                Call::Close { slot } => libc::close(slot.fd()).into(),
                Call::Dup { slot, to } => libc::dup3(slot.fd(), to.fd(), libc::O_CLOEXEC).into(),
                Call::Move {
                    way,
                    slot,
                    buffers,
                    offset,
                } => self.transfer(way, slot.fd(), &buffers, offset) as c_long,
                Call::Seek {
                    slot,
                    offset,
                    whence,
                } => libc::lseek(slot.fd(), offset, whence),
                Call::Poll {
                    slot,
                    events,
                    wait_ms,
                } => {
                    let mut poll = libc::pollfd {
                        fd: slot.fd(),
                        events,
                        revents: 0,
                    };
                    libc::poll(&mut poll, 1, wait_ms).into()
                }
                Call::Epoll { slot, operation } => {
                    let mut event = libc::epoll_event {
                        events: (libc::EPOLLIN | libc::EPOLLET) as u32,
                        u64: 0,
                    };
                    let epoll = self.epoll.as_raw_fd();
                    match libc::epoll_ctl(epoll, operation, slot.fd(), &mut event) {
                        0 => libc::epoll_wait(epoll, &mut event, 1, 0).into(),
                        failed => failed.into(),
                    }
                }
                Call::Ioctl {
                    slot,
                    request,
                    place,
                    value,
                } => {
                    self.memory.set(place, &value.to_ne_bytes());
                    let address = self.memory.address(place);
                    libc::ioctl(slot.fd(), request as _, address).into()
                }
                Call::Map {
                    slot,
                    length,
                    protection,
                    shared,
                    offset,
                } => {
                    let flags = match shared {
                        true => libc::MAP_SHARED,
                        false => libc::MAP_PRIVATE,
                    };
                    libc::mmap(
                        ptr::null_mut(),
                        length,
                        protection,
                        flags,
                        slot.fd(),
                        offset,
                    ) as c_long
                }
                Call::Pipe {
                    way,
                    call,
                    slot,
                    length,
                    mut offset,
                } => {
                    let (from, to) = (self.pipe.0.as_raw_fd(), self.pipe.1.as_raw_fd());
                    let node = slot.fd();
                    let at: *mut i64 = offset.as_mut().map_or(ptr::null_mut(), |it| it);
                    let none = ptr::null_mut();
                    let flags = libc::SPLICE_F_NONBLOCK;
                    (match (call, way) {
                        (Pipe::Splice, Way::Read) => {
                            libc::splice(node, at, to, none, length, flags)
                        }
                        (Pipe::Splice, Way::Write) => {
                            libc::splice(from, none, node, at, length, flags)
                        }
                        (Pipe::Sendfile, Way::Read) => libc::sendfile(to, node, at, length),
                        (Pipe::Sendfile, Way::Write) => libc::sendfile(node, from, at, length),
                        (Pipe::Tee, Way::Read) => libc::tee(node, to, length, flags),
                        (Pipe::Tee, Way::Write) => libc::tee(from, node, length, flags),
                    }) as c_long
                }
                Call::Control {
                    slot,
                    command,
                    argument,
                } => libc::fcntl(slot.fd(), command, argument).into(),
                Call::Fork { .. } => unreachable!("see `make`"),
            }
        }
    }

    /// Opens the node and moves the descriptor to its slot.
    fn open(&self, slot: Slot, flags: i32) -> i32 {
        // SAFETY: a string that ends.
        let fd = unsafe { libc::open(self.path.as_ptr(), flags) };
        if fd < 0 {
            return fd;
        }
        // SAFETY: they take no pointers, and nobody else knows of `fd`.
        unsafe {
            let moved = libc::dup2(fd, slot.fd());
            libc::close(fd);
            moved
        }
    }

    fn transfer(&self, way: Way, fd: RawFd, buffers: &Buffers, offset: Option<i64>) -> isize {
        let part = |buffer: &Buffer| iovec {
            iov_base: self.memory.address(buffer.place) as *mut c_void,
            iov_len: buffer.length,
        };
        let (parts, vector, count);
        match buffers {
            Buffers::One(buffer) => {
                let iovec { iov_base, iov_len } = part(buffer);
                // SAFETY: as in `syscall`.
                return unsafe {
                    match (way, offset) {
                        (Way::Read, None) => libc::read(fd, iov_base, iov_len),
                        (Way::Read, Some(at)) => libc::pread(fd, iov_base, iov_len, at),
                        (Way::Write, None) => libc::write(fd, iov_base, iov_len),
                        (Way::Write, Some(at)) => libc::pwrite(fd, iov_base, iov_len, at),
                    }
                };
            }
            Buffers::Vector(buffers, given) => {
                parts = [part(&buffers[0]), part(&buffers[1]), part(&buffers[2])];
                vector = parts.as_ptr();
                count = *given as i32;
            }
            Buffers::VectorAt(place, given) => {
                vector = self.memory.address(*place) as *const iovec;
                count = *given as i32;
            }
        }
        // SAFETY: as in `syscall`.
        unsafe {
            match (way, offset) {
                (Way::Read, None) => libc::readv(fd, vector, count),
                (Way::Read, Some(at)) => libc::preadv(fd, vector, count, at),
                (Way::Write, None) => libc::writev(fd, vector, count),
                (Way::Write, Some(at)) => libc::pwritev(fd, vector, count, at),
            }
        }
    }

    fn fork(&self, seed: u64, calls: u8, killed: bool) -> (Result<usize, Errno>, Option<String>) {
        // SAFETY: the child calls what is safe after a fork of many threads, and the allocator,
        // which in glibc is, too.
        match unsafe { fork() } {
            Ok(ForkResult::Child) => self.child(seed, (!killed).then(|| calls)),
            Ok(ForkResult::Parent { child }) if killed => {
                thread::sleep(Duration::from_micros(u64::from(calls) * 100));
                kill(child, Signal::SIGKILL).expect("kill(2) of a child failed");
                self.tally.count_killed();
                match wait_for(child) {
                    WaitStatus::Signaled(_, Signal::SIGKILL, _) => (Ok(0), None),
                    other => (Ok(1), Some(format!("the child: {other:?}"))),
                }
            }
            Ok(ForkResult::Parent { child }) => match wait_for(child) {
                WaitStatus::Exited(_, 0) => (Ok(0), None),
                other => (Ok(1), Some(format!("the child: {other:?}"))),
            },
            Err(errno) => (Err(errno), Some("fork(2) failed".to_owned())),
        }
    }

    /// Makes so many calls, or does not stop.
    fn child(&self, seed: u64, calls: Option<u8>) -> ! {
        // Ends what would wait forever, again and again.
        let every = libc::timeval {
            tv_sec: 0,
            tv_usec: 20_000,
        };
        let timer = libc::itimerval {
            it_interval: every,
            it_value: every,
        };
        // SAFETY: it reads a struct; its signal is counted by a handler.
        unsafe { libc::syscall(libc::SYS_setitimer, libc::ITIMER_REAL, &timer, 0) };
        let mut rng = Rng::with_seed(seed);
        let mut made = 0;
        while calls != Some(made) {
            let call = Call::random(&mut rng, &self.mix);
            if matches!(call, Call::Fork { .. }) {
                continue;
            }
            if let (result, Some(wrong)) = self.make(&call) {
                let words = format!("torture: a child: {call:?}: {result:?}: {wrong}\n");
                // SAFETY: the text is readable. Rust's own standard error may be locked.
                unsafe {
                    libc::write(2, words.as_ptr().cast(), words.len());
                    libc::_exit(1);
                }
            }
            made = made.wrapping_add(1);
        }
        // SAFETY: it does not return.
        unsafe { libc::_exit(0) }
    }
}

fn wait_for(child: Pid) -> WaitStatus {
    loop {
        match waitpid(child, None) {
            Err(Errno::EINTR) => {}
            status => return status.expect("waitpid(2) failed"),
        }
    }
}
