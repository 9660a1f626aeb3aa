//! ksort: sessions, each with a set that is sorted whenever it is read.

use std::mem::size_of;
use std::os::unix::io::{AsRawFd, BorrowedFd};

use abi::ksort::{
    get_order, get_stats, get_type, ksort_stats, set_order, KSORT_DOWN, KSORT_GET_ALGORITHM,
    KSORT_GET_ORDER, KSORT_GET_STATS, KSORT_GET_TYPE, KSORT_I32, KSORT_I64, KSORT_SET_ALGORITHM,
    KSORT_SET_ORDER, KSORT_SET_TYPE, KSORT_U32, KSORT_UP,
};
use nix::errno::Errno;
use nix::sys::uio::pread;
use nix::unistd::write;

use super::{any_of, Ioctl, Node};

const fn get(request: u32) -> Ioctl {
    Ioctl {
        request,
        size: size_of::<u32>(),
        errnos: &[],
    }
}

const fn set(request: u32, errnos: &'static [Errno]) -> Ioctl {
    Ioctl {
        request,
        size: size_of::<u32>(),
        errnos,
    }
}

/// The greatest `max_mib` is left out, so that no set takes the guest's memory.
pub const KSORT: Node = Node {
    name: "ksort",
    seekable: true,
    polls: false,
    read: &[Errno::EAGAIN, Errno::EINTR, Errno::EINVAL],
    write: &[Errno::EAGAIN, Errno::EINTR, Errno::EFBIG],
    ioctls: &[
        get(KSORT_GET_TYPE),
        get(KSORT_GET_ORDER),
        get(KSORT_GET_ALGORITHM),
        set(KSORT_SET_TYPE, &[Errno::EINVAL, Errno::EBUSY]),
        set(KSORT_SET_ORDER, &[Errno::EINVAL]),
        set(KSORT_SET_ALGORITHM, &[Errno::EINVAL]),
        Ioctl {
            request: KSORT_GET_STATS,
            size: size_of::<ksort_stats>(),
            errnos: &[],
        },
    ],
    // Who waits for the session may be interrupted before anybody looks at the request.
    every_ioctl: &[Errno::EAGAIN, Errno::EINTR],
    load: |rng| vec![any_of(rng, "max_mib", &["1", "2", "64"])],
    settings: &[
        ("max_mib", "1", true),
        ("max_mib", "16", true),
        ("max_mib", "0", false),
        ("max_mib", "257", false),
        ("max_mib", "1k", false),
    ],
    check_file,
    check_module: |_, _, _| {},
};

/// Whether the set is as its session says, in both orders.
fn check_file(file: BorrowedFd<'_>) {
    for order in [get_order(&file).unwrap(), KSORT_UP, KSORT_DOWN] {
        set_order(&file, order).expect("KSORT_SET_ORDER failed");
        if let Some(bytes) = read_all(file) {
            check_set(file, &bytes);
        }
    }
}

/// What the session gives; nothing if there is a part of a number at its end that cannot be made
/// a whole one.
fn read_all(file: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match pread(file.as_raw_fd(), &mut piece, bytes.len() as i64) {
            Ok(0) => return Some(bytes),
            Ok(length) => bytes.extend(&piece[..length]),
            Err(Errno::EINVAL) if bytes.is_empty() => match write(file.as_raw_fd(), b"x") {
                Ok(1) => {}
                Err(Errno::EBADF | Errno::EFBIG) => return None,
                other => panic!("write: {other:?}"),
            },
            Err(error) => panic!("pread from {}: {error}", bytes.len()),
        }
    }
}

fn check_set(file: BorrowedFd<'_>, bytes: &[u8]) {
    let number = get_type(&file).expect("KSORT_GET_TYPE failed");
    let size = match number {
        KSORT_I32 | KSORT_U32 => 4,
        _ => 8,
    };
    let mut numbers: Vec<i128> = bytes.chunks(size).map(|word| value(number, word)).collect();
    let stats = get_stats(&file).expect("KSORT_GET_STATS failed");
    assert_eq!(stats.elements, numbers.len() as u64, "{stats:?}");
    if get_order(&file) != Ok(KSORT_UP) {
        numbers.reverse();
    }
    let wrong = numbers.windows(2).find(|pair| pair[0] > pair[1]);
    assert_eq!(wrong, None, "type {number}, {stats:?}");
}

/// A number of any type, from its bytes.
fn value(number: u32, bytes: &[u8]) -> i128 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    let word = u64::from_le_bytes(word);
    match number {
        KSORT_I32 => (word as i32).into(),
        KSORT_I64 => (word as i64).into(),
        _ => word.into(),
    }
}
