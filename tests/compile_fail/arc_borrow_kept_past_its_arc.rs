// SPDX-License-Identifier: GPL-2.0

//! Who borrows from a reference has none of its own.

use lkm::{prelude::*, sync::Arc};

/// Would use what may be freed.
pub fn misuse() -> Result<u32> {
    let shared = Arc::try_new(0)?;
    let lent = shared.as_arc_borrow();
    drop(shared); //~ ERROR E0505
    Ok(*lent)
}
