// SPDX-License-Identifier: GPL-2.0

//! What is code and what is text is told apart as the compiler does it.

macro_rules! nothing {
    ($($token:tt)*) => {};
}

#[rustfmt::skip]
nothing!(1r"\" '" '"' "'"r"\" '" b'"' b'\'' br#"\"# 'r"\" '" /* /* " */ " */);

// Would replace what lkm calls.
core::arch::global_asm!(".globl lkm_smp_processor_id", "lkm_smp_processor_id: ret"); //~ REFUSED `global_asm`
