// SPDX-License-Identifier: GPL-2.0

//! A raw identifier is the same name.

// Would replace what lkm calls.
#[rustfmt::skip]
core::arch::r#global_asm!(".globl lkm_smp_processor_id", "lkm_smp_processor_id: ret"); //~ REFUSED `global_asm`
