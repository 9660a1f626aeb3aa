// SPDX-License-Identifier: GPL-2.0

//! A module is made of what is in its folder, where it is looked at.

/// Would have the checker's own text, or code.
pub const TEXT: &str = include_str!("../../README.md"); //~ REFUSED `README.md`
