//! The parts of `lkm` that C has pointers to and calls back, as they stand, on a
//! kernel of a few hundred lines.
//!
//! Under Miri (`make miri`), which knows what each pointer may be used for, and
//! says so if memory is used that is not, or no longer, the pointer's.
//!
//! What `lkm` is here is `lkm`'s own files, and small ones that stand in for the
//! rest of it. What the kernel does is in `bindings.rs`.

#![cfg(test)]
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg_attr(bootstrap, feature(core_ffi_c))]
// The last is one of a newer rustc's, which an older one does not know.
#![allow(stable_features, unknown_lints, unexpected_cfgs)]

extern crate alloc;

// As in `lkm`: for macros.
use core as __core;

mod bindings;
mod sync;
mod tests;

#[allow(dead_code)]
#[path = "../../lkm/cpuhp.rs"]
mod cpuhp;
#[allow(dead_code)]
#[path = "../../lkm/cpumask.rs"]
mod cpumask;
#[path = "../../lkm/hrtimer.rs"]
mod hrtimer;
#[allow(dead_code)]
#[path = "../../lkm/kthread.rs"]
mod kthread;
#[allow(dead_code)]
#[path = "../../lkm/source.rs"]
mod source;
#[allow(dead_code)]
#[path = "../../lkm/str.rs"]
mod str;
#[path = "../../lkm/tasklet.rs"]
mod tasklet;
#[allow(dead_code)]
#[path = "../../lkm/time.rs"]
mod time;
#[path = "../../lkm/timer.rs"]
mod timer;
#[allow(dead_code)]
#[path = "../../lkm/types.rs"]
mod types;
#[allow(dead_code)]
#[path = "../../lkm/workqueue.rs"]
mod workqueue;

/// What is used of `lkm::error`.
mod error {
    use core::ffi::c_int;

    pub type Result<T = (), E = Error> = core::result::Result<T, E>;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Error(c_int);

    impl Error {
        pub fn to_errno(self) -> c_int {
            self.0
        }
    }

    pub fn to_result(code: c_int) -> Result {
        if code < 0 {
            Err(Error(code))
        } else {
            Ok(())
        }
    }

    pub mod code {
        use super::Error;

        pub const ENOMEM: Error = Error(-12);
        pub const EINVAL: Error = Error(-22);
        pub const ESHUTDOWN: Error = Error(-108);
    }
}

mod irq {
    pub fn may_sleep() -> bool {
        !crate::bindings::is_atomic()
    }

    pub fn smp_processor_id() -> u32 {
        0
    }
}

/// What is used of `lkm::kvec`.
mod kvec {
    use crate::error::Result;

    pub struct KVVec<T>(Vec<T>);

    impl<T> KVVec<T> {
        pub fn with_capacity(capacity: usize) -> Result<Self> {
            Ok(Self(Vec::with_capacity(capacity)))
        }

        pub fn push_within_capacity(&mut self, value: T) -> Result<(), T> {
            if self.0.len() == self.0.capacity() {
                return Err(value);
            }
            self.0.push(value);
            Ok(())
        }
    }

    impl<T> Default for KVVec<T> {
        fn default() -> Self {
            Self(Vec::new())
        }
    }

    impl<T> core::ops::Deref for KVVec<T> {
        type Target = [T];

        fn deref(&self) -> &[T] {
            &self.0
        }
    }
}
