// SPDX-License-Identifier: GPL-2.0

//! What `lkm` takes from Rust for Linux's `kernel` crate, for a kernel that has none.

#![no_std]

use core::panic::PanicInfo;

/// What bindgen makes of C headers.
pub mod bindings {
    /// C's `struct module`.
    #[allow(non_camel_case_types)]
    #[repr(C)]
    pub struct module([u8; 0]);

    extern "C" {
        /// `THIS_MODULE`, but for the `*`.
        pub static __this_module: module;

        pub(crate) fn lkm_bug(file: *const u8, len: i32, line: u32) -> !;
    }
}

pub mod error {
    //! Errors.

    /// There is none: nothing of this crate fails.
    pub enum Error {}

    impl Error {
        /// The kernel's number for it.
        pub fn to_errno(self) -> i32 {
            match self {}
        }
    }
}

/// `THIS_MODULE` in C.
pub struct ThisModule(*mut bindings::module);

// SAFETY: any thread of a module may use it.
unsafe impl Sync for ThisModule {}

impl ThisModule {
    /// The module of this pointer.
    ///
    /// # Safety
    ///
    /// It is `THIS_MODULE`.
    pub const unsafe fn from_ptr(ptr: *mut bindings::module) -> Self {
        Self(ptr)
    }
}

// By its name, a module that can panic is known.
#[inline(never)]
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let (file, line) = match info.location() {
        Some(location) => (location.file(), location.line()),
        None => ("", 0),
    };
    // SAFETY: as many bytes as there are; C only reads them.
    unsafe { bindings::lkm_bug(file.as_ptr(), file.len() as i32, line) }
}
