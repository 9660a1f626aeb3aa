// SPDX-License-Identifier: GPL-2.0

//! Large arrays.

use crate::{cpus::Noted, promises::Counters};
use core::fmt::Write;
use lkm::{kvec::KVVec, prelude::*};

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
    check!(none.is_empty() && none.push(1) == Err(ENOMEM) && none.is_empty());

    // More than kmalloc can give in one piece.
    let mut large = KVVec::<u32>::with_capacity(2 << 20)?;
    for n in 0..2 << 20 {
        large.push(n)?;
    }
    check!(large.push(0) == Err(ENOMEM) && large.len() == large.capacity());
    check!(large.iter().enumerate().all(|(n, &it)| n == it as usize));
    large.reverse();
    check!(large.first() == Some(&((2 << 20) - 1)) && large.last() == Some(&0));
    large.clear();
    check!(large.is_empty() && large.capacity() == 2 << 20);

    let mut text = KVVec::with_capacity(8)?;
    check!(write!(text, "{}{}", 12, "ab").is_ok() && &*text == b"12ab");
    check!(text.extend_from_slice(b"12345") == Err(ENOMEM) && text.len() == 4);
    check!(write!(text, "{}{}", 345, "67").is_err() && &*text == b"12ab345");
    check!(text.extend_from_slice(b"8") == Ok(()) && text.extend_from_slice(b"") == Ok(()));
    check!(text.push(0) == Err(ENOMEM) && &*text == b"12ab3458");

    let counters = Counters::new()?;
    let dropped = || *counters.ticks.lock();
    let mut values = KVVec::with_capacity(2)?;
    check!(values.push(Noted(counters.clone())).is_ok());
    check!(values.push(Noted(counters.clone())).is_ok() && dropped() == 0);
    check!(values.push(Noted(counters.clone())).is_err() && dropped() == 1);
    drop(values);
    check!(dropped() == 3);
    Ok(())
}
