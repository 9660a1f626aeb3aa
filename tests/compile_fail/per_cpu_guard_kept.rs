// SPDX-License-Identifier: GPL-2.0

//! That one stays on a CPU ends with what was run there.

use lkm::percpu::with_preempt_disabled;

/// Would take any CPU for the one that it was.
pub fn misuse() {
    let mut kept = None;
    with_preempt_disabled(|guard| kept = Some(guard)); //~ ERROR E0521
    drop(kept);
}
