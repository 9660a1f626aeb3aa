// SPDX-License-Identifier: GPL-2.0

//! A module is safe Rust.

/// Would do anything.
pub fn misuse(address: usize) -> u8 {
    unsafe { *(address as *const u8) } //~ REFUSED `unsafe`
}
