// SPDX-License-Identifier: GPL-2.0

//! A bool may be given to userland, but not be made of what comes from there.

use lkm::{as_bytes, from_bytes};

/// As large as its fields.
#[derive(Clone, Copy)]
pub struct Flags {
    /// Whether.
    pub on: bool,
    /// How.
    pub how: u8,
}

as_bytes!(Flags { on, how });
from_bytes!(Flags { on, how }); //~ ERROR E0277
