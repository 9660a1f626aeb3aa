// SPDX-License-Identifier: GPL-2.0

//! It is a thread that reads, not those that work for it.

use lkm::{
    sync::rcu::{with_read_lock, Pointer},
    workqueue::Queue,
};

/// Would have others read, who are no readers.
pub fn misuse(queue: &Queue, pointer: &Pointer<u32>) {
    with_read_lock(|guard| {
        queue.for_each(&mut [0; 2], 0..9, |n, _| *n = *pointer.read(guard)); //~ ERROR E0277
    });
}
