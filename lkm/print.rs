// SPDX-License-Identifier: GPL-2.0

//! Printing to the kernel log: one macro for each level.
//!
//! C headers: `include/linux/printk.h` and `include/linux/dynamic_debug.h`.
//!
//! The macros take what [`core::format_args!`] takes; the message begins with
//! the module's name and should end in `\n`. They may be used in any context
//! and do not sleep. A message of more than about 1,000 bytes is cut.

use crate::bindings;
use core::{
    ffi::{c_char, c_void},
    fmt,
};

/// A log level: the digit in `KERN_*`.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Level(u8);

#[allow(missing_docs)]
impl Level {
    pub const EMERG: Level = Level(b'0');
    pub const ALERT: Level = Level(b'1');
    pub const CRIT: Level = Level(b'2');
    pub const ERR: Level = Level(b'3');
    pub const WARNING: Level = Level(b'4');
    pub const NOTICE: Level = Level(b'5');
    pub const INFO: Level = Level(b'6');
    pub const DEBUG: Level = Level(b'7');
}

/// Prints at the [`Level`] of this name.
#[doc(hidden)]
#[macro_export]
// The prefix is the using crate's, and not this one's.
#[allow(clippy::crate_in_macro_def)]
macro_rules! print_macro {
    ($level:ident, $($arg:tt)*) => {
        $crate::print::printk(
            $crate::print::Level::$level,
            crate::__LOG_PREFIX,
            format_args!($($arg)*),
        )
    };
}

/// Prints at level 0: the system is unusable.
#[macro_export]
macro_rules! pr_emerg {
    ($($arg:tt)*) => { $crate::print_macro!(EMERG, $($arg)*) };
}

/// Prints at level 1: action must be taken at once.
#[macro_export]
macro_rules! pr_alert {
    ($($arg:tt)*) => { $crate::print_macro!(ALERT, $($arg)*) };
}

/// Prints at level 2: critical conditions.
#[macro_export]
macro_rules! pr_crit {
    ($($arg:tt)*) => { $crate::print_macro!(CRIT, $($arg)*) };
}

/// Prints at level 3: error conditions.
#[macro_export]
macro_rules! pr_err {
    ($($arg:tt)*) => { $crate::print_macro!(ERR, $($arg)*) };
}

/// Prints at level 4: warning conditions.
#[macro_export]
macro_rules! pr_warn {
    ($($arg:tt)*) => { $crate::print_macro!(WARNING, $($arg)*) };
}

/// Prints at level 5: normal but significant.
#[macro_export]
macro_rules! pr_notice {
    ($($arg:tt)*) => { $crate::print_macro!(NOTICE, $($arg)*) };
}

/// Prints at level 6: informational.
#[macro_export]
macro_rules! pr_info {
    ($($arg:tt)*) => { $crate::print_macro!(INFO, $($arg)*) };
}

/// Prints at level 7, whether debugging is on or not: `printk(KERN_DEBUG …)`.
///
/// See [`pr_debug!`] for messages that can be switched.
#[macro_export]
macro_rules! printk_debug {
    ($($arg:tt)*) => { $crate::print_macro!(DEBUG, $($arg)*) };
}

/// Prints at level 7, once somebody has switched it on.
///
/// As in C: with `CONFIG_DYNAMIC_DEBUG` each call has an entry in
/// `/sys/kernel/debug/dynamic_debug/control` (off at first, unless the module
/// is loaded with `dyndbg=+p`); without it, the call prints if the kernel was
/// built with `CONFIG_RUST_DEBUG_ASSERTIONS` and is compiled away otherwise.
#[macro_export]
#[allow(clippy::crate_in_macro_def)]
macro_rules! pr_debug {
    ($fmt:literal $($arg:tt)*) => {{
        #[link_section = "__dyndbg"]
        #[cfg(CONFIG_DYNAMIC_DEBUG)]
        static CALL: $crate::print::DebugCall = $crate::print::DebugCall::new(
            crate::__MODULE_NAME,
            $crate::c_str!(module_path!()),
            $crate::c_str!(file!()),
            $crate::c_str!($fmt),
            line!(),
        );
        #[cfg(CONFIG_DYNAMIC_DEBUG)]
        CALL.print(format_args!($fmt $($arg)*));
        #[cfg(not(CONFIG_DYNAMIC_DEBUG))]
        if cfg!(debug_assertions) {
            $crate::printk_debug!($fmt $($arg)*);
        }
    }};
}

/// What the macros expand to: one message at one level.
#[doc(hidden)]
pub fn printk(level: Level, prefix: &'static crate::str::CStr, args: fmt::Arguments<'_>) {
    let format = [1, level.0, b'%', b's', b'%', b'p', b'A', 0];
    // SAFETY: `format` is a C string with two conversions: `%s`, for which
    // `prefix` is a C string, and the kernel's `%pA`, for which there is a
    // pointer to a `fmt::Arguments` that outlives the call.
    unsafe {
        bindings::_printk(
            format.as_ptr().cast(),
            prefix.as_char_ptr(),
            &args as *const _ as *const c_void,
        );
    }
}

/// One [`pr_debug!`]: its line in the dynamic-debug control file.
///
/// # Invariants
///
/// Laid out as C's `struct _ddebug`, and placed in the section `__dyndbg`,
/// which the kernel takes for an array of them: it writes `flags` while the
/// module runs.
#[doc(hidden)]
#[repr(C, align(8))]
pub struct DebugCall {
    modname: *const c_char,
    function: *const c_char,
    filename: *const c_char,
    format: *const c_char,
    // From the lowest bit: lineno: 18, class_id: 6, flags: 8.
    bits: core::sync::atomic::AtomicU32,
    #[cfg(CONFIG_JUMP_LABEL)]
    key: core::cell::UnsafeCell<[usize; KEY_WORDS]>,
}

#[cfg(CONFIG_JUMP_LABEL)]
const KEY_WORDS: usize =
    core::mem::size_of::<bindings::static_key>() / core::mem::size_of::<usize>();

const _: () = assert!(
    core::mem::size_of::<DebugCall>() == core::mem::size_of::<bindings::_ddebug>(),
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
        modname: &'static crate::str::CStr,
        function: &'static crate::str::CStr,
        filename: &'static crate::str::CStr,
        format: &'static crate::str::CStr,
        line: u32,
    ) -> Self {
        let flags = if cfg!(debug_assertions) {
            Self::FLAG_PRINT
        } else {
            0
        };
        Self {
            modname: modname.as_char_ptr(),
            function: function.as_char_ptr(),
            filename: filename.as_char_ptr(),
            format: format.as_char_ptr(),
            bits: core::sync::atomic::AtomicU32::new(
                (line & 0x3_ffff) | Self::CLASS_DEFAULT << 18 | flags << 24,
            ),
            // A `static_key` of zeroes is a key that is off.
            #[cfg(CONFIG_JUMP_LABEL)]
            key: core::cell::UnsafeCell::new([0; KEY_WORDS]),
        }
    }

    #[allow(missing_docs)]
    #[inline]
    pub fn print(&'static self, args: fmt::Arguments<'_>) {
        if self.bits.load(core::sync::atomic::Ordering::Relaxed) & (Self::FLAG_PRINT << 24) == 0 {
            return;
        }
        // SAFETY: `self` is a `struct _ddebug` of the kernel's, by the type's
        // invariant; the format's two conversions are `%s`, for the C string
        // that the type holds, and the kernel's `%pA`, for which there is a
        // pointer to a `fmt::Arguments` that outlives the call.
        unsafe {
            bindings::__dynamic_pr_debug(
                self as *const Self as *mut bindings::_ddebug,
                b"%s: %pA\0".as_ptr().cast(),
                self.modname,
                &args as *const _ as *const c_void,
            );
        }
    }
}
