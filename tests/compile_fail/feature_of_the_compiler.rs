// SPDX-License-Identifier: GPL-2.0

//! What the compiler does not promise yet is not part of safe Rust.

#![feature(concat_idents)] //~ ERROR E0725
