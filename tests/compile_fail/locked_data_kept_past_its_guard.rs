// SPDX-License-Identifier: GPL-2.0

//! What a lock guards is used under the lock.

use lkm::{new_spinlock, prelude::*};

/// Would read it after the lock was released.
pub fn misuse() -> Result<u32> {
    let lock = new_spinlock!(0)?;
    let guard = lock.lock();
    let data = &*guard;
    drop(guard); //~ ERROR E0505
    Ok(*data)
}
