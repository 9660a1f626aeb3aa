// SPDX-License-Identifier: GPL-2.0

//! A name that only looks like another is not taken for it.

/// The letter is not an `a`.
pub const Аsm: u8 = 0; //~ REFUSED plain ASCII
