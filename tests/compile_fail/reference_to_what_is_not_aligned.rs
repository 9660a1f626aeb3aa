// SPDX-License-Identifier: GPL-2.0

//! rustc only warns of some that is unsound, and a module does not say that it need not.

#![allow(unaligned_references)] //~ ERROR incompatible with previous forbid

/// No gap between the two.
#[repr(C, packed)]
pub struct Packed {
    /// The first.
    pub small: u8,
    /// The last, at an odd address.
    pub large: u64,
}

/// A reference is aligned.
pub fn large(packed: &Packed) -> &u64 {
    &packed.large
}
