// SPDX-License-Identifier: GPL-2.0

//! Large arrays.

use crate::{cpus::Noted, promises::Counters};
use core::fmt::Write;
use lkm::{irq::with_irqs_disabled, kvec::KVVec, prelude::*, uaccess::UserSlice};

pub(crate) fn arrays() -> Result {
    check!(KVVec::<()>::with_capacity(1).err() == Some(EINVAL));
    #[derive(Clone, Copy)]
    #[repr(align(16))]
    struct Wide;
    check!(KVVec::<Wide>::with_capacity(1).err() == Some(EINVAL));
    for too_much in [usize::MAX, usize::MAX / 8, 1 << 31, (1 << 28) + 1] {
        check!(KVVec::<u64>::with_capacity(too_much).err() == Some(ENOMEM));
    }
    let mut none = KVVec::<u64>::with_capacity(0)?;
    check!(none.is_empty() && none.push_within_capacity(1) == Err(1) && none.is_empty());

    // More than kmalloc can give in one piece.
    let mut large = KVVec::<u32>::with_capacity(2 << 20)?;
    for n in 0..2 << 20 {
        large.push(n)?;
    }
    check!(large.push_within_capacity(0) == Err(0) && large.len() == large.capacity());
    check!(large.iter().enumerate().all(|(n, &it)| n == it as usize));
    large.reverse();
    check!(large.first() == Some(&((2 << 20) - 1)) && large.last() == Some(&0));
    large.clear();
    check!(large.is_empty() && large.capacity() == 2 << 20);

    let mut text = KVVec::with_capacity(8)?;
    check!(write!(text, "{}{}", 12, "ab").is_ok() && &*text == b"12ab");
    // Where one must not sleep there is the room that there is.
    with_irqs_disabled(|| {
        check!(text.extend_from_slice(b"12345") == Err(ENOMEM) && text.len() == 4);
        check!(write!(text, "{}{}", 345, "67").is_err() && &*text == b"12ab345");
        check!(text.extend_from_slice(b"8") == Ok(()) && text.extend_from_slice(b"") == Ok(()));
        check!(text.push(0) == Err(ENOMEM) && &*text == b"12ab3458" && text.capacity() == 8);
        Ok(())
    })?;
    check!(write!(text, "{}{}", 345, "67").is_ok() && &*text == b"12ab345834567");
    check!(text.extend_from_slice(&[b'x'; 100]) == Ok(()) && text.len() == 113);
    check!(text.reserve(usize::MAX) == Err(ENOMEM) && text.len() == 113);
    check!(text.reserve_exact(usize::MAX) == Err(ENOMEM) && text.starts_with(b"12ab345834567x"));
    // So is what userland says that it has, if that is more than there can be.
    for too_much in [usize::MAX, 1 << 63, 1 << 31] {
        let mut from = UserSlice::new(8, too_much).reader();
        check!(from.read_all(&mut text) == Err(ENOMEM) && from.len() >= 1 << 31);
    }

    // Who adds one after the other has them moved a few times only.
    let (mut grown, mut moves) = (KVVec::new(), 0u32);
    for n in 0..100_000u64 {
        let before = grown.capacity();
        grown.push(n)?;
        check!(grown.capacity() >= before);
        moves = moves.wrapping_add(u32::from(grown.capacity() != before));
    }
    check!(grown.iter().enumerate().all(|(n, &it)| n as u64 == it) && grown.len() == 100_000);
    check!(moves <= 20 && grown.capacity() < 200_001);
    let (room, len) = (grown.capacity(), grown.len());
    check!(grown.reserve(room.wrapping_sub(len)) == Ok(()) && grown.capacity() == room);
    check!(grown.reserve_exact(room) == Ok(()) && grown.capacity() == room.wrapping_add(len));

    let counters = Counters::new()?;
    let dropped = || *counters.ticks.lock();
    let mut values = KVVec::with_capacity(2)?;
    check!(values.push(Noted(counters.clone())).is_ok());
    check!(values.push(Noted(counters.clone())).is_ok() && dropped() == 0);
    // It is given back, or dropped where it is not.
    let noted = values.push_within_capacity(Noted(counters.clone()));
    check!(noted.is_err() && dropped() == 0);
    drop(noted);
    check!(dropped() == 1);
    let noted = Noted(counters.clone());
    check!(with_irqs_disabled(|| values.push(noted)) == Err(ENOMEM) && dropped() == 2);
    // None is dropped for being moved.
    for _ in 0..30 {
        check!(values.push(Noted(counters.clone())).is_ok() && dropped() == 2);
    }
    drop(values);
    check!(dropped() == 34);
    check!(KVVec::new().push(()) == Err(EINVAL));
    Ok(())
}
