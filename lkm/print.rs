// SPDX-License-Identifier: GPL-2.0

//! Printing to the kernel log: one macro for each level.
//!
//! C header: `include/linux/printk.h`.
//!
//! The macros take what [`core::format_args!`] takes; the message begins with
//! the module's name and should end in `\n`. They may be used in any context
//! and do not sleep. A message is formatted once, into 1,000 bytes on the stack; what is
//! beyond these is cut, and what comes after a NUL is not printed.

use crate::{bindings, c_str, str::CStr, uaccess::Bytes};
use core::{
    ffi::{c_char, c_int},
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

/// A message, as long as the kernel keeps it.
pub(crate) struct Message(Bytes<1000>);

impl Message {
    #[inline(always)]
    pub(crate) fn new(args: fmt::Arguments<'_>) -> Self {
        let mut message = Message(Bytes::new());
        // An error says that there is no more room.
        let _ = fmt::write(&mut message, args);
        message
    }

    #[cold]
    #[inline(never)]
    fn append(&mut self, bytes: &[u8]) -> fmt::Result {
        match self.0.append(bytes) == bytes.len() {
            true => Ok(()),
            false => Err(fmt::Error),
        }
    }

    /// What `%.*s` takes.
    #[inline(always)]
    pub(crate) fn parts(&self) -> (c_int, *const c_char) {
        (self.0.len() as c_int, self.0.as_ptr().cast())
    }
}

impl Write for Message {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.append(s.as_bytes())
    }

    // UTF-8 as `char::encode_utf8` makes it, which would be a quarter of hello.
    #[cold]
    fn write_char(&mut self, c: char) -> fmt::Result {
        let (len, mut rest, mut bytes) = (c.len_utf8(), c as u32, 0);
        // From the last byte to the first, six bits in each; the first says how many there are.
        for _ in 1..len {
            bytes = (bytes | 0x80 | rest & 0x3f) << 8;
            rest >>= 6;
        }
        let first = if len > 1 { 0xf00 >> len & 0xff } else { 0 };
        let bytes = u32::to_le_bytes(bytes | first | rest);
        self.append(bytes.get(..len).unwrap_or_default())
    }

    // What there is without it makes a second `Write`, of a reference to this.
    #[cold]
    fn write_fmt(&mut self, args: fmt::Arguments<'_>) -> fmt::Result {
        fmt::write(self, args)
    }
}

/// What the macros expand to: one message at one level.
#[doc(hidden)]
#[cold]
#[inline(never)]
pub fn printk(level: Level, prefix: &'static CStr, args: fmt::Arguments<'_>) {
    let message = Message::new(args);
    let (len, text) = message.parts();
    // SAFETY: for `%s` and `%.64s` there are C strings, and for `%.*s` as many bytes as
    // it is told of, which outlive the call.
    unsafe {
        bindings::_printk(
            c_str!("%s%.64s%.*s").as_char_ptr(),
            level.0.as_char_ptr(),
            prefix.as_char_ptr(),
            len,
            text,
        );
    }
}
