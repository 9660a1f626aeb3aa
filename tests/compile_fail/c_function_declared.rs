// SPDX-License-Identifier: GPL-2.0

//! C functions are for `lkm` to call.

#[rustfmt::skip]
extern "C" { //~ REFUSED `extern`
    /// Would be called by its symbol.
    pub fn schedule();
}
