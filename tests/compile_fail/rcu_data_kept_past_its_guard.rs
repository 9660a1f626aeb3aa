// SPDX-License-Identifier: GPL-2.0

//! What a reader has read stays for as long as it reads.

use lkm::sync::rcu::{with_read_lock, Pointer};

/// Would use what a writer may have freed.
pub fn misuse(pointer: &Pointer<u32>) -> &u32 {
    with_read_lock(|guard| pointer.read(guard)) //~ ERROR lifetime may not live long enough
}
