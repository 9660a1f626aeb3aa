// SPDX-License-Identifier: GPL-2.0

//! Shared ownership does not make a value fit for sharing between threads.

use core::cell::Cell;
use lkm::{prelude::*, sync::Arc, workqueue::Queue};

/// Would have two threads write to it at a time.
pub fn misuse(queue: &Queue) -> Result {
    let cell = Arc::try_new(Cell::new(0))?;
    queue.for_each(&mut [cell.clone(), cell], 0..9, |cell, n| cell.set(n)); //~ ERROR E0277
    Ok(())
}
