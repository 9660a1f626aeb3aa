// SPDX-License-Identifier: GPL-2.0

//! Linux kernel modules for 6.1, in safe Rust.
//!
//! The `kernel` crate of 6.1 can print and can be a module. This crate is the
//! rest: one file for each facility of the kernel, with the names that the
//! kernel has for it. Modules use it and need no `unsafe`; nothing that safe
//! code does with it can corrupt memory, be it that a handle is leaked or
//! that the module is unloaded while a timer is armed.
//!
//! It is linked into each module, so what is `static` here is per module. What
//! not every module needs is generic or `#[inline]`, so that only those that use
//! it carry it.

#[cfg(not(CONFIG_SMP))]
compile_error!(
    "lkm needs CONFIG_SMP: without it a spin lock does not exclude interrupts of its own CPU"
);

// bindgen's, for what this crate names in lkm/bindgen_parameters.
#[allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]
mod bindings {
    include!(env!("LKM_BINDINGS"));
}

pub mod error;
pub mod fs;
pub mod hrtimer;
pub mod irq;
pub mod kfifo;
pub mod miscdevice;
pub mod module;
pub mod moduleparam;
pub mod prelude;
pub mod print;
pub mod ring;
mod source;
pub mod str;
pub mod sync;
pub mod tasklet;
pub mod time;
pub mod timer;
mod types;
pub mod uaccess;
pub mod workqueue;

pub use error::{Error, Result};
pub use module::{Module, ThisModule};
