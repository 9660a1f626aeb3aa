// SPDX-License-Identifier: GPL-2.0

//! A macro of the module's own does not make the `kernel` crate one of its crates.

macro_rules! through {
    ($name:ident) => {
        pub use $name as found; //~ ERROR E0432
    };
}

through!(kernel);
