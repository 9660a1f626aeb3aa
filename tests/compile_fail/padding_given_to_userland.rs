// SPDX-License-Identifier: GPL-2.0

//! A gap between two fields holds what was in that memory before.

use lkm::{as_bytes, prelude::*, uaccess::UserSlice};

/// Three bytes behind the first are nobody's.
pub struct Gap {
    /// The first.
    pub small: u8,
    /// The last.
    pub large: u32,
}

as_bytes!(Gap { small, large }); //~ ERROR E0080

/// Would give them away.
///
/// # Errors
///
/// `EFAULT`.
pub fn misuse(address: usize) -> Result {
    let gap = Gap { small: 1, large: 2 };
    UserSlice::new(address, 8).writer().write(&gap)
}
