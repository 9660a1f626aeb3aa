// SPDX-License-Identifier: GPL-2.0

//! What C functions ask of their callers is for `lkm` to keep.

/// Would sleep in any context.
pub fn misuse() {
    lkm::bindings::schedule(); //~ ERROR E0603
}
