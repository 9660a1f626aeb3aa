// SPDX-License-Identifier: GPL-2.0

//! What is shared is not written to without a lock.

use lkm::{prelude::*, sync::Arc};

/// Would write to what others may be reading.
pub fn misuse() -> Result {
    let shared = Arc::try_new(0)?;
    *shared = 1; //~ ERROR E0594
    Ok(())
}
