//! What a call may return: what the kernel itself says of any file and, for each node, what its
//! header in include/uapi and the table of its module document.

use nix::errno::Errno::{self, *};

use crate::call::{Buffers, Call, Pipe};
use crate::nodes::Node;
use crate::place::{Buffer, Way};

/// Requests that the kernel answers for every file, or that files of other kinds know.
pub const OF_ALL_FILES: [u32; 6] = [
    libc::FIOCLEX as u32,
    libc::FIONCLEX as u32,
    libc::FIONBIO as u32,
    libc::FIOASYNC as u32,
    libc::FIONREAD as u32,
    libc::TCGETS as u32,
];

/// Lengths from here on are more than can be, or may be when a position is added.
const HUGE: usize = 1 << 61;

/// What is wrong with a result, if anything is.
pub fn complaint(node: &Node, call: &Call, result: Result<usize, Errno>) -> Option<String> {
    match (result, greatest(node, call)) {
        (Err(errno), _) if !may_fail(node, call, errno) => {
            Some(format!("{errno:?} is not documented"))
        }
        (Ok(value), None) => Some(format!("it cannot succeed, and returned {value}")),
        (Ok(value), Some(greatest)) if value > greatest => {
            Some(format!("{value} is more than {greatest}"))
        }
        _ => None,
    }
}

/// The most that a call can return; none if it cannot succeed.
fn greatest(node: &Node, call: &Call) -> Option<usize> {
    match call {
        Call::Move { way, buffers, .. } => Some(reachable(buffers.parts(), *way)),
        Call::Seek { .. } => Some(i64::MAX as usize),
        Call::Open { .. } | Call::Dup { .. } | Call::Control { .. } => Some(i32::MAX as usize),
        Call::Poll { .. } | Call::Epoll { .. } => Some(1),
        Call::Ioctl { request, .. } => {
            let known = node.ioctl(*request).is_some() || OF_ALL_FILES.contains(request);
            known.then_some(0)
        }
        Call::Map { .. } => None,
        Call::Pipe { call, length, .. } => match call {
            Pipe::Tee => Some(0),
            Pipe::Splice | Pipe::Sendfile => Some(*length),
        },
        Call::Close { .. } | Call::Fork { .. } => Some(0),
    }
}

/// How many bytes can be moved before the first that cannot.
fn reachable(parts: &[Buffer], way: Way) -> usize {
    let mut sum = 0_usize;
    for part in parts {
        sum = sum.saturating_add(part.reach(way).most);
        if part.reach(way).most < part.length {
            break;
        }
    }
    sum
}

fn documented(node: &Node, way: Way) -> &'static [Errno] {
    match way {
        Way::Read => node.read,
        Way::Write => node.write,
    }
}

fn may_fail(node: &Node, call: &Call, errno: Errno) -> bool {
    if errno == EBADF {
        // Any other thread may have closed it, or opened it in another way.
        return !matches!(call, Call::Open { .. } | Call::Fork { .. });
    }
    match *call {
        // Nothing takes so much memory that there could be none left for the node.
        Call::Open { flags, .. } => match errno {
            EINVAL => flags & libc::O_DIRECT != 0,
            ENOTDIR => flags & libc::O_DIRECTORY != 0,
            EEXIST => flags & libc::O_EXCL != 0,
            _ => false,
        },
        Call::Close { .. } | Call::Fork { .. } => false,
        Call::Dup { slot, to } => errno == EINVAL && slot == to,
        Call::Move {
            way,
            buffers,
            offset,
            ..
        } => {
            let parts = buffers.parts();
            let documented = documented(node, way);
            let of_vfs = match errno {
                ESPIPE => offset.is_some() && !node.seekable,
                EINVAL => {
                    offset.map_or(false, |offset| !(0..1 << 62).contains(&offset))
                        || parts.iter().any(|part| part.length >= HUGE)
                }
                EFAULT => {
                    matches!(buffers, Buffers::VectorAt(..))
                        || parts.iter().any(|part| !part.is_whole(way))
                }
                _ => false,
            };
            of_vfs || documented.contains(&errno)
        }
        Call::Seek { offset, whence, .. } => match errno {
            ESPIPE => !node.seekable,
            EINVAL => whence != libc::SEEK_SET && whence != libc::SEEK_CUR || offset < 0,
            _ => false,
        },
        Call::Poll { .. } => errno == EINTR,
        Call::Epoll { operation, .. } => match errno {
            EPERM => !node.polls,
            EEXIST => operation == libc::EPOLL_CTL_ADD,
            ENOENT => operation != libc::EPOLL_CTL_ADD,
            _ => false,
        },
        Call::Ioctl { request, place, .. } => {
            let whole = |length| Buffer { place, length }.is_whole(Way::Read);
            match node.ioctl(request) {
                Some(ioctl) => {
                    errno == EFAULT && !whole(ioctl.size)
                        || ioctl.errnos.contains(&errno)
                        || node.every_ioctl.contains(&errno)
                }
                None if OF_ALL_FILES.contains(&request) && errno == EFAULT => !whole(4),
                None => errno == ENOTTY || node.every_ioctl.contains(&errno),
            }
        }
        Call::Map { .. } => matches!(errno, ENODEV | EACCES | EINVAL | ENOMEM | EOVERFLOW),
        Call::Pipe { way, .. } => {
            // Before it moves anything, splice(2) looks whether there is a signal.
            matches!(errno, EINVAL | ESPIPE | EAGAIN | EINTR)
                || documented(node, way).contains(&errno)
        }
        Call::Control {
            command, argument, ..
        } => match command {
            libc::F_SETFL => errno == EINVAL && argument & libc::O_DIRECT != 0,
            libc::F_GETFL | libc::F_SETOWN => false,
            _ => matches!(errno, EINVAL | EFAULT | EPERM),
        },
    }
}
