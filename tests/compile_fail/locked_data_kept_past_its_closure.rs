// SPDX-License-Identifier: GPL-2.0

//! What a lock guards is lent for as long as the lock is held.

use lkm::sync::Mutex;

/// Would use it without the lock.
pub fn misuse(lock: &Mutex<u32>) {
    let mut kept = None;
    lock.with(|data| kept = Some(data)); //~ ERROR E0521
    if let Some(data) = kept {
        *data = 1;
    }
}
