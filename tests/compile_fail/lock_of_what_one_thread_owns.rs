// SPDX-License-Identifier: GPL-2.0

//! A lock does not make its data fit for another thread.

use core::marker::PhantomData;
use lkm::{new_mutex, prelude::*, workqueue::Queue};

/// Would hand a pointer that is for one thread from one to the other.
pub fn misuse(queue: &Queue) -> Result {
    let lock = new_mutex!(PhantomData::<*mut u8>)?;
    queue.for_each(&mut [0; 2], 0..9, |_, _| drop(lock.lock())); //~ ERROR E0277
    Ok(())
}
