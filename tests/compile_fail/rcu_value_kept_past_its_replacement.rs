// SPDX-License-Identifier: GPL-2.0

//! To a writer, the value that it replaces is there until it has.

use lkm::sync::rcu::{Pointer, Prepared};

/// Would use what it has had freed.
pub fn misuse(pointer: &Pointer<u32>, new: Prepared<u32>) -> u32 {
    let mut kept = &0;
    let old = pointer.publish(new, |_, current| kept = current); //~ ERROR E0521
    old.synchronize_rcu();
    *kept
}
