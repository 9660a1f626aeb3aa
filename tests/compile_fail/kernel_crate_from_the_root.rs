// SPDX-License-Identifier: GPL-2.0

//! The `kernel` crate cannot be had from where crates are, either.

/// Would print past the end of the prefix.
pub fn misuse() {
    ::kernel::pr_info!("read as far as a NUL"); //~ ERROR E0433
}
