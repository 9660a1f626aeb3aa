// SPDX-License-Identifier: GPL-2.0

//! A lock is released by the thread that took it.

use lkm::{new_mutex, prelude::*, workqueue::Queue};

/// Would have another thread drop the guard, or use it while this one does.
pub fn misuse(queue: &Queue) -> Result {
    let lock = new_mutex!(0)?;
    queue.for_each(&mut [lock.lock()], 0..9, |guard, n| **guard = n); //~ ERROR E0277
    Ok(())
}
