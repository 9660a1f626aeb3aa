// SPDX-License-Identifier: GPL-2.0

//! Assembly is not safe, whatever the compiler's lint thinks of it.

// Would replace what lkm calls.
core::arch::global_asm!(".globl lkm_smp_processor_id", "lkm_smp_processor_id: ret"); //~ REFUSED `global_asm`
