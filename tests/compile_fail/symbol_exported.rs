// SPDX-License-Identifier: GPL-2.0

//! A symbol of the module's choosing could be one that lkm or the kernel calls.

/// Would be what lkm calls.
#[export_name = "lkm_smp_processor_id"] //~ REFUSED `export_name`
pub fn processor() -> u32 {
    0
}
