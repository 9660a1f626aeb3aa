// SPDX-License-Identifier: GPL-2.0

//! A name has to be said before there can be another one.

use core::arch::global_asm as harmless; //~ REFUSED `global_asm`

// Would replace what lkm calls.
harmless!(".globl lkm_smp_processor_id", "lkm_smp_processor_id: ret");
