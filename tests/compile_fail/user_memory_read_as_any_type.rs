// SPDX-License-Identifier: GPL-2.0

//! What comes from userland may be any bytes, so it is read as what those are fit for.

use lkm::{prelude::*, uaccess::UserSlice};

/// Would make a `bool` that is neither.
pub fn misuse(address: usize) -> Result<bool> {
    UserSlice::new(address, 1).reader().read() //~ ERROR E0277
}
