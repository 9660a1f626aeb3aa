// SPDX-License-Identifier: GPL-2.0

//! To a writer, the value is there until it replaces it.

use lkm::{prelude::*, sync::rcu::Pointer};

/// Would use what it has had freed.
pub fn misuse(pointer: &Pointer<u32>) -> Result<u32> {
    let mut writer = pointer.lock();
    let value = &*writer;
    writer.replace(2)?.synchronize_rcu(); //~ ERROR E0502
    Ok(*value)
}
