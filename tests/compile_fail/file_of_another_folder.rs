// SPDX-License-Identifier: GPL-2.0

//! A module is made of what is in its folder, where it is looked at.

#[path = "../../lkm/error.rs"] //~ REFUSED `error.rs`
pub mod error;
