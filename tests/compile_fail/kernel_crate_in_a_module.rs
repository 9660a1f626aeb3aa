// SPDX-License-Identifier: GPL-2.0

//! The `kernel` crate has a `module!`, too, which knows nothing of timers, and printing macros that
//! read as far as they are told to.

use kernel::prelude::*; //~ REFUSED `kernel`

module! {
    type: Forgetful,
    name: b"forgetful",
    license: b"GPL",
}
