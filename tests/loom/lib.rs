//! The parts of `lkm` that need no lock, as they stand, on a model of the memory
//! and of the scheduler.
//!
//! Each test runs once for every order in which its threads can take their
//! steps, with every value that the memory model lets a load see.
//!
//! What `lkm` is here is `lkm`'s own files, and small ones that stand in for the
//! rest of it. What the kernel does is in `bindings.rs`, in the orders that the
//! kernel's documentation promises and no stronger ones.

#![cfg(test)]
#![deny(unsafe_op_in_unsafe_fn)]

extern crate alloc;

mod bindings;
mod heap;
mod models;
mod sync;

#[path = "../../lkm/ring.rs"]
mod ring;
// Not all of it is used here.
#[allow(dead_code)]
#[path = "../../lkm/types.rs"]
mod types;

/// What is used of `lkm::error`.
mod error {
    pub type Result<T, E = Error> = core::result::Result<T, E>;

    #[derive(Debug)]
    pub struct Error;

    pub mod code {
        pub const ENOMEM: super::Error = super::Error;
    }

    impl From<alloc::collections::TryReserveError> for Error {
        fn from(_: alloc::collections::TryReserveError) -> Self {
            Error
        }
    }
}

mod irq {
    pub fn may_sleep() -> bool {
        !crate::bindings::is_rcu_reader()
    }
}

mod source {
    pub fn stopped() -> bool {
        false
    }
}

mod str {
    pub use std::ffi::CStr;
}
