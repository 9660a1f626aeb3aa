// SPDX-License-Identifier: GPL-2.0

//! A ring has one producer and one consumer.

use lkm::{prelude::*, ring::spsc, workqueue::Queue};

/// Would put two elements into one slot.
pub fn misuse(queue: &Queue) -> Result {
    let (mut producer, _consumer) = spsc(8)?;
    let mut other = producer.clone(); //~ ERROR E0599
    queue.for_each(&mut [&mut producer, &mut other], 0..9, |end, n| {
        drop(end.push(n))
    });
    Ok(())
}
