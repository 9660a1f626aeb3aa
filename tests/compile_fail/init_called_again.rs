// SPDX-License-Identifier: GPL-2.0

//! A module's value is made by `module!`, once.

use lkm::{module::Slot, prelude::*};

struct Twice;

impl Module for Twice {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Twice)
    }
}

static SLOT: Slot<Twice> = Slot::new();

/// Would make it while the first is in use.
pub fn misuse() {
    SLOT.init(); //~ ERROR E0133
}
