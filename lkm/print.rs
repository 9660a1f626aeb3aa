// SPDX-License-Identifier: GPL-2.0

//! Printing to the kernel log: one macro for each level.
//!
//! C header: `include/linux/printk.h`.
//!
//! The macros take what [`core::format_args!`] takes; the message begins with
//! the module's name and should end in `\n`. They may be used in any context
//! and do not sleep. A message of more than about 1,000 bytes is cut; a piece of
//! it that has 32 KiB is left out.
//!
//! printk() formats each message twice, first to know its length, with
//! interrupts off: a [`Display`](fmt::Display) must not sleep, and one that
//! says more the second time is cut.

use crate::{bindings, c_str, str::CStr};
use core::{
    ffi::c_void,
    fmt::{self, Write},
};

/// A log level: `KERN_*`.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Level(&'static CStr);

#[allow(missing_docs)]
impl Level {
    pub const EMERG: Level = Level(c_str!("\x010"));
    pub const ALERT: Level = Level(c_str!("\x011"));
    pub const CRIT: Level = Level(c_str!("\x012"));
    pub const ERR: Level = Level(c_str!("\x013"));
    pub const WARNING: Level = Level(c_str!("\x014"));
    pub const NOTICE: Level = Level(c_str!("\x015"));
    pub const INFO: Level = Level(c_str!("\x016"));
    pub const DEBUG: Level = Level(c_str!("\x017"));
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
            $crate::__core::format_args!($($arg)*),
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
        static __CALL: $crate::dynamic_debug::DebugCall = $crate::dynamic_debug::DebugCall::new(
            crate::__MODULE_NAME,
            $crate::c_str!($crate::__core::module_path!()),
            $crate::c_str!($crate::__core::file!()),
            $crate::c_str!($fmt),
            $crate::__core::line!(),
        );
        #[cfg(CONFIG_DYNAMIC_DEBUG)]
        __CALL.print($crate::__core::format_args!($fmt $($arg)*));
        #[cfg(not(CONFIG_DYNAMIC_DEBUG))]
        if $crate::__core::cfg!(debug_assertions) {
            $crate::printk_debug!($fmt $($arg)*);
        }
    }};
}

/// The most bytes of a message that are formatted, of which the kernel keeps
/// the first 1,000.
///
/// It counts them in 16 bits, and takes 65,535 for none: it then reads from a
/// null pointer.
const LONGEST: usize = 1 << 15;

/// What a message says, without the pieces that would make it too long.
pub(crate) struct Bounded<'a>(pub(crate) &'a fmt::Arguments<'a>);

impl fmt::Display for Bounded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = LONGEST;
        // printk() has interrupts off, of which the preempt count knows nothing; what
        // is printed may ask whether it may sleep.
        // SAFETY: always allowed, one after the other.
        unsafe { bindings::lkm_begin_format() };
        let result = fmt::write(&mut Pieces { f, left }, *self.0);
        // SAFETY: as above.
        unsafe { bindings::lkm_end_format() };
        result
    }
}

struct Pieces<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    left: usize,
}

impl Pieces<'_, '_> {
    fn take(&mut self, len: usize) -> fmt::Result {
        self.left = self.left.checked_sub(len).ok_or(fmt::Error)?;
        Ok(())
    }
}

impl Write for Pieces<'_, '_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.take(s.len())?;
        self.f.write_str(s)
    }

    // What there is without it encodes the character once more. It has 4 bytes at most.
    fn write_char(&mut self, c: char) -> fmt::Result {
        self.take(4)?;
        self.f.write_char(c)
    }

    // What there is without it makes a second `Write`, of a reference to this.
    fn write_fmt(&mut self, args: fmt::Arguments<'_>) -> fmt::Result {
        fmt::write(self, args)
    }
}

/// What the macros expand to: one message at one level.
#[doc(hidden)]
#[cold]
pub fn printk(level: Level, prefix: &'static CStr, args: fmt::Arguments<'_>) {
    // SAFETY: the format has three conversions: for `%s` and `%.64s` there are C
    // strings, and for the kernel's `%pA` a pointer to a `fmt::Arguments` that
    // outlives the call. The first two are short, as printk() wants it.
    unsafe {
        bindings::_printk(
            c_str!("%s%.64s%pA").as_char_ptr(),
            level.0.as_char_ptr(),
            prefix.as_char_ptr(),
            &format_args!("{}", Bounded(&args)) as *const _ as *const c_void,
        );
    }
}
