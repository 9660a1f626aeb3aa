// SPDX-License-Identifier: GPL-2.0

//! What is in some sections the kernel calls, or takes for what it is not.

/// Would be called.
#[link_section = ".init.text"] //~ REFUSED `link_section`
pub static NOT_CODE: u8 = 0;
