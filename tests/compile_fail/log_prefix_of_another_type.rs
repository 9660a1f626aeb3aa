// SPDX-License-Identifier: GPL-2.0

//! What the lines of the log begin with ends in a NUL byte, which only a `CStr` promises.

const __LOG_PREFIX: &[u8] = b"no NUL";

/// Would print past the end of the prefix.
pub fn misuse() {
    lkm::pr_info!("read as far as a NUL\n"); //~ ERROR E0308
}
