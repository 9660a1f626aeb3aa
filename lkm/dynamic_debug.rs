// SPDX-License-Identifier: GPL-2.0

//! Calls of [`pr_debug!`](crate::pr_debug!), which can be switched one by one.
//!
//! C header: `include/linux/dynamic_debug.h`.

use crate::{bindings, print::Message, str::CStr};
use core::{
    ffi::c_char,
    fmt,
    mem::size_of,
    sync::atomic::{AtomicU32, Ordering},
};

/// One `pr_debug!`: its line in the control file.
///
/// # Invariants
///
/// Laid out as C's `struct _ddebug`. `pr_debug!` places it in the section
/// `__dyndbg`, which the kernel takes for an array of them: it writes `flags`
/// while the module runs.
#[repr(C, align(8))]
pub struct DebugCall {
    modname: *const c_char,
    function: *const c_char,
    filename: *const c_char,
    format: *const c_char,
    // From the lowest bit: lineno: 18, class_id: 6, flags: 8.
    bits: AtomicU32,
    #[cfg(CONFIG_JUMP_LABEL)]
    key: core::cell::UnsafeCell<[usize; KEY_WORDS]>,
}

#[cfg(CONFIG_JUMP_LABEL)]
const KEY_WORDS: usize = size_of::<bindings::static_key>() / size_of::<usize>();

const _: () = assert!(
    size_of::<DebugCall>() == size_of::<bindings::_ddebug>(),
    "struct _ddebug has another layout than DebugCall"
);

// SAFETY: the pointers are to constants; `bits` is atomic; Rust never looks at `key`.
unsafe impl Sync for DebugCall {}

impl DebugCall {
    const CLASS_DEFAULT: u32 = 63;
    const FLAG_PRINT: u32 = 1;

    #[allow(missing_docs)]
    #[inline]
    pub const fn new(
        modname: &'static CStr,
        function: &'static CStr,
        filename: &'static CStr,
        format: &'static CStr,
        line: u32,
    ) -> Self {
        Self {
            modname: modname.as_char_ptr(),
            function: function.as_char_ptr(),
            filename: filename.as_char_ptr(),
            format: format.as_char_ptr(),
            bits: AtomicU32::new((line & 0x3_ffff) | Self::CLASS_DEFAULT << 18),
            // A `static_key` of zeroes is a key that is off.
            #[cfg(CONFIG_JUMP_LABEL)]
            key: core::cell::UnsafeCell::new([0; KEY_WORDS]),
        }
    }

    #[allow(missing_docs)]
    #[inline]
    pub fn print(&'static self, args: fmt::Arguments<'_>) {
        if self.bits.load(Ordering::Relaxed) & (Self::FLAG_PRINT << 24) == 0 {
            return;
        }
        self.print_now(args);
    }

    #[cold]
    #[inline(never)]
    fn print_now(&'static self, args: fmt::Arguments<'_>) {
        let message = Message::new(args);
        let (len, text) = message.parts();
        // SAFETY: `self` is laid out as a `struct _ddebug`, which C only reads.
        // `%.64s` is for the C string that the type holds, and `%.*s` for as many bytes
        // as it is told of, which outlive the call.
        unsafe {
            bindings::__dynamic_pr_debug(
                self as *const Self as *mut bindings::_ddebug,
                b"%.64s: %.*s\0".as_ptr().cast(),
                self.modname,
                len,
                text,
            );
        }
    }
}
