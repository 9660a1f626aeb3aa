// SPDX-License-Identifier: GPL-2.0

//! A symbol of the module's choosing could be one that lkm or the kernel calls.

/// Would be what lkm calls.
#[cfg_attr(all(), no_mangle)] //~ REFUSED `no_mangle`
pub fn lkm_smp_processor_id() -> u32 {
    0
}
