// SPDX-License-Identifier: GPL-2.0

//! What is published is the readers', and no longer the writer's.

use lkm::sync::rcu::{Pointer, Prepared};

/// Would have it freed by one of the two, and read through the other.
pub fn misuse(one: &Pointer<u32>, other: &Pointer<u32>, new: Prepared<u32>) {
    one.publish(new, |_, _| ()).call_rcu();
    other.publish(new, |_, _| ()).call_rcu(); //~ ERROR E0382
}
