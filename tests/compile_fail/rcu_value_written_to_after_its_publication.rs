// SPDX-License-Identifier: GPL-2.0

//! What is published does not change any more.

use lkm::sync::rcu::{Pointer, Prepared};

/// Would write to what others read.
pub fn misuse(pointer: &Pointer<u32>, new: Prepared<u32>) {
    let mut kept = None;
    let old = pointer.publish(new, |new, _| kept = Some(new)); //~ ERROR E0521
    old.call_rcu();
    if let Some(new) = kept {
        *new = 1;
    }
}
