// SPDX-License-Identifier: GPL-2.0

//! What is still in a queue is looked at before it is taken out.

use lkm::{kfifo::Kfifo, prelude::*};

/// Would use slots that the next to push writes to.
pub fn misuse() -> Result<usize> {
    let mut fifo = Kfifo::<u8>::new(8)?;
    let (first, second) = fifo.as_slices();
    fifo.skip(1); //~ ERROR E0502
    Ok(first.len().max(second.len()))
}
