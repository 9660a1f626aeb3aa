//! A system call, drawn at random: what it is depends on the generator alone, and not on what
//! calls before it returned.

use std::os::unix::io::{BorrowedFd, RawFd};

use fastrand::Rng;
use nix::fcntl::{fcntl, FcntlArg};

use crate::nodes::Node;
use crate::place::{Buffer, Place, Way};

/// A descriptor that all threads share, open or not. Its number is never the lowest that is free,
/// so nothing else ever comes to have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u8);

impl Slot {
    const FIRST: RawFd = 512;
    const COUNT: u8 = 12;

    fn random(rng: &mut Rng) -> Slot {
        Slot(rng.u8(..Slot::COUNT))
    }

    pub fn fd(self) -> RawFd {
        Slot::FIRST + RawFd::from(self.0)
    }
}

/// All slots. Dropped, which is when no thread uses them any more, it closes those that are open.
pub struct Slots;

impl Slots {
    fn all() -> impl Iterator<Item = Slot> {
        (0..Slot::COUNT).map(Slot)
    }

    /// Those that can be read from.
    pub fn readable(&self) -> Vec<BorrowedFd<'_>> {
        let readable = Slots::all().map(Slot::fd).filter(|&fd| {
            let flags = fcntl(fd, FcntlArg::F_GETFL).unwrap_or(libc::O_PATH);
            flags & libc::O_PATH == 0 && flags & libc::O_ACCMODE != libc::O_WRONLY
        });
        // SAFETY: they are open for as long as `self` is borrowed.
        let borrowed = readable.map(|fd| unsafe { BorrowedFd::borrow_raw(fd) });
        borrowed.collect()
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        for slot in Slots::all() {
            // SAFETY: nobody else's, if it is open at all.
            unsafe { libc::close(slot.fd()) };
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Call {
    /// open(2) of the node; what the slot had is closed.
    Open {
        slot: Slot,
        flags: i32,
    },
    Close {
        slot: Slot,
    },
    /// dup3(2)
    Dup {
        slot: Slot,
        to: Slot,
    },
    /// read(2), pwritev(2) and the six others that move bytes.
    Move {
        way: Way,
        slot: Slot,
        buffers: Buffers,
        offset: Option<i64>,
    },
    /// lseek(2)
    Seek {
        slot: Slot,
        offset: i64,
        whence: i32,
    },
    /// poll(2)
    Poll {
        slot: Slot,
        events: i16,
        wait_ms: i32,
    },
    /// epoll_ctl(2), and epoll_wait(2) that does not wait.
    Epoll {
        slot: Slot,
        operation: i32,
    },
    /// ioctl(2), with `value` at the place, if it can be put there.
    Ioctl {
        slot: Slot,
        request: u32,
        place: Place,
        value: u64,
    },
    /// mmap(2)
    Map {
        slot: Slot,
        length: usize,
        protection: i32,
        shared: bool,
        offset: i64,
    },
    /// splice(2), sendfile(2), tee(2), between the node and a pipe.
    Pipe {
        way: Way,
        call: Pipe,
        slot: Slot,
        length: usize,
        offset: Option<i64>,
    },
    /// fcntl(2)
    Control {
        slot: Slot,
        command: i32,
        argument: i32,
    },
    /// fork(2): the child makes calls, too, drawn from a generator of its own. It goes when it has
    /// made them all, or is killed in the midst of more of them.
    Fork {
        seed: u64,
        calls: u8,
        killed: bool,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Buffers {
    One(Buffer),
    /// So many of them.
    Vector([Buffer; 3], usize),
    /// A vector that is itself in the wrong place.
    VectorAt(Place, usize),
}

#[derive(Clone, Copy, Debug)]
pub enum Pipe {
    Splice,
    Sendfile,
    Tee,
}

const FLAGS: [i32; 11] = [
    libc::O_APPEND,
    libc::O_CLOEXEC,
    libc::O_SYNC,
    libc::O_TRUNC,
    libc::O_NOFOLLOW,
    libc::O_NOATIME,
    libc::O_CREAT,
    libc::O_CREAT | libc::O_EXCL,
    libc::O_DIRECT,
    libc::O_DIRECTORY,
    libc::O_PATH,
];

/// Which calls are made in a round: of the node's, and without some in one of two rounds, after
/// which nothing is known for sure of its statistics. Of four rounds in a row one has neither.
#[derive(Clone, Copy)]
pub struct Mix {
    pub node: &'static Node,
    /// Children are killed.
    kills: bool,
    /// Counts are set to 0.
    resets: bool,
}

impl Mix {
    pub fn of_seed(seed: u64, node: &'static Node) -> Mix {
        Mix {
            node,
            kills: seed & 1 != 0,
            resets: seed & 2 != 0,
        }
    }
}

impl Call {
    pub fn random(rng: &mut Rng, mix: &Mix) -> Call {
        if rng.u32(..1000) < 2 {
            return Call::Fork {
                seed: rng.u64(..),
                calls: rng.u8(1..20),
                killed: mix.kills && rng.u32(..8) == 0,
            };
        }
        let slot = Slot::random(rng);
        match rng.u32(..100) {
            0..=6 => Call::Open {
                slot,
                flags: open_flags(rng),
            },
            7 => Call::Close { slot },
            8 => Call::Dup {
                slot,
                to: Slot::random(rng),
            },
            9..=34 => Call::Move {
                way: Way::Read,
                slot,
                buffers: Buffers::random(rng),
                offset: offset(rng),
            },
            35..=56 => Call::Move {
                way: Way::Write,
                slot,
                buffers: Buffers::random(rng),
                offset: offset(rng),
            },
            57..=64 => {
                // So that no position is so near the greatest that an innocent call goes beyond.
                let (whence, offsets) = match rng.u32(..8) {
                    0..=3 => (libc::SEEK_SET, [0, 0, 8, 100, 4096, 1 << 62, -1, i64::MIN]),
                    4..=6 => (libc::SEEK_CUR, [0, 1, 4, 100, -1, -4, -4096, i64::MIN]),
                    _ => (rng.i32(2..9), [0, 1, 4, 100, -1, -4, i64::MAX, i64::MIN]),
                };
                let offset = *rng.choice(&offsets).unwrap();
                Call::Seek {
                    slot,
                    offset,
                    whence,
                }
            }
            65..=68 => Call::Poll {
                slot,
                events: rng.i16(..),
                wait_ms: *rng.choice(&[0, 0, 0, 1]).unwrap(),
            },
            69..=72 => Call::Epoll {
                slot,
                operation: rng.i32(libc::EPOLL_CTL_ADD..=libc::EPOLL_CTL_MOD),
            },
            73..=88 => {
                let request = request(rng, mix);
                let value = match rng.u32(..8) {
                    0 => rng.u64(..),
                    _ => rng.u64(..6),
                };
                Call::Ioctl {
                    slot,
                    request,
                    place: Place::random(rng),
                    value,
                }
            }
            89..=90 => Call::Map {
                slot,
                length: *rng.choice(&[0, 1, 4096, 1 << 20, usize::MAX]).unwrap(),
                protection: rng.i32(0..4),
                shared: rng.bool(),
                offset: *rng.choice(&[0, 4096, 1, i64::MIN, -4096]).unwrap(),
            },
            91..=93 => Call::Pipe {
                way: *rng.choice(&[Way::Read, Way::Write]).unwrap(),
                call: *rng
                    .choice(&[Pipe::Splice, Pipe::Sendfile, Pipe::Tee])
                    .unwrap(),
                slot,
                length: *rng.choice(&[0, 1, 100, 65536, usize::MAX]).unwrap(),
                offset: offset(rng),
            },
            _ => {
                let command = match rng.u32(..8) {
                    0..=4 => libc::F_SETFL,
                    5 => libc::F_GETFL,
                    6 => libc::F_SETOWN,
                    _ => rng.i32(libc::F_SETPIPE_SZ..libc::F_SETPIPE_SZ + 8),
                };
                let argument = match command {
                    libc::F_SETFL => flags_to_set(rng),
                    _ => 0,
                };
                Call::Control {
                    slot,
                    command,
                    argument,
                }
            }
        }
    }
}

impl Buffers {
    fn random(rng: &mut Rng) -> Buffers {
        match rng.u32(..16) {
            0 => Buffers::VectorAt(Place::random_bad(rng), rng.usize(1..4)),
            1..=4 => {
                let parts = [
                    Buffer::random(rng),
                    Buffer::random(rng),
                    Buffer::random(rng),
                ];
                Buffers::Vector(parts, rng.usize(0..=3))
            }
            _ => Buffers::One(Buffer::random(rng)),
        }
    }

    /// The parts, as far as the kernel gets to see them.
    pub fn parts(&self) -> &[Buffer] {
        match self {
            Buffers::One(buffer) => std::slice::from_ref(buffer),
            Buffers::Vector(parts, count) => &parts[..*count],
            Buffers::VectorAt(..) => &[],
        }
    }
}

/// Mostly such as do not wait.
fn open_flags(rng: &mut Rng) -> i32 {
    let access = match rng.u32(..16) {
        0 => libc::O_RDONLY,
        1 => libc::O_WRONLY,
        _ => libc::O_RDWR,
    };
    let wait = match rng.u32(..8) {
        0 => 0,
        _ => libc::O_NONBLOCK,
    };
    let more = match rng.u32(..4) {
        0 => *rng.choice(&FLAGS).unwrap(),
        _ => 0,
    };
    access | wait | more
}

fn flags_to_set(rng: &mut Rng) -> i32 {
    let wait = match rng.u32(..4) {
        0 => 0,
        _ => libc::O_NONBLOCK,
    };
    wait | *rng
        .choice(&[0, 0, libc::O_APPEND, libc::O_ASYNC, libc::O_DIRECT])
        .unwrap()
}

fn offset(rng: &mut Rng) -> Option<i64> {
    let offsets = [0, 0, 4, 100, 1 << 40, i64::MAX, -1, i64::MIN];
    rng.bool().then(|| *rng.choice(&offsets).unwrap())
}

/// Mostly one of the node's, otherwise one that is like it, or any at all: with types that no
/// other part of the kernel has taken for every file.
fn request(rng: &mut Rng, mix: &Mix) -> u32 {
    let ours = mix.node.ioctls.iter();
    let ours = ours.filter(|ioctl| mix.resets || !ioctl.resets());
    let request = rng.choice(ours.collect::<Vec<_>>()).unwrap().request;
    match rng.u32(..8) {
        0 => request ^ 1 << rng.u32(..32),
        1 => rng.u32(..) & !0xff00 | rng.u32(0xe0..0xe8) << 8,
        2 => *rng.choice(&crate::errnos::OF_ALL_FILES).unwrap(),
        _ => request,
    }
}
