// SPDX-License-Identifier: GPL-2.0

//! A lock is held for as long as there is the guard.

use lkm::{new_spinlock, prelude::*};

/// Would hold it for no time at all.
pub fn misuse() -> Result {
    let lock = new_spinlock!(0)?;
    lock.lock(); //~ ERROR unused `lkm::sync::Guard` that must be used
    Ok(())
}
