// SPDX-License-Identifier: GPL-2.0

//! The `kernel` crate cannot be had by another name.

pub use {kernel as k, lkm::Error}; //~ ERROR E0432

/// Would print past the end of the prefix.
pub fn misuse() {
    k::print::call_printk(&[], b"", format_args!(""));
}
