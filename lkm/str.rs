// SPDX-License-Identifier: GPL-2.0

//! C strings.
//!
//! `core::ffi::CStr` is not yet stable in the Rust that 6.1 builds with.

use core::{ffi::c_char, fmt, str::Utf8Error};

/// A string that C can read: it ends in a NUL byte and has no other.
///
/// # Invariants
///
/// The last byte is NUL, and no other is.
#[derive(PartialEq, Eq)]
#[repr(transparent)]
pub struct CStr([u8]);

impl CStr {
    /// Takes `bytes` as a C string; `None` unless the one NUL byte is the last.
    #[inline]
    pub const fn from_bytes_with_nul(bytes: &[u8]) -> Option<&CStr> {
        let mut i = 0;
        while i < bytes.len() {
            if bytes[i] == 0 {
                return if i == bytes.len() - 1 {
                    // SAFETY: `CStr` is a transparent `[u8]`.
                    // INVARIANT: this is the first NUL byte and the last byte.
                    Some(unsafe { &*(bytes as *const [u8] as *const CStr) })
                } else {
                    None
                };
            }
            i += 1;
        }
        None
    }

    /// The C pointer; valid for as long as `self` is borrowed.
    #[inline]
    pub const fn as_char_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }

    /// The bytes before the NUL.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        // By the invariant there is a last byte, so this never is the default.
        self.0
            .split_last()
            .map(|(_, bytes)| bytes)
            .unwrap_or_default()
    }

    /// The string, if it is UTF-8.
    #[inline]
    pub fn to_str(&self) -> Result<&str, Utf8Error> {
        core::str::from_utf8(self.as_bytes())
    }
}

/// Shows printable ASCII as it is and everything else as `\xNN`.
impl fmt::Display for CStr {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.as_bytes() {
            if byte == b' ' || byte.is_ascii_graphic() {
                write!(f, "{}", byte as char)?;
            } else {
                write!(f, "\\x{:02x}", byte)?;
            }
        }
        Ok(())
    }
}

/// For [`c_str!`](crate::c_str!), at compile time.
#[doc(hidden)]
#[inline]
pub const fn literal(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Some(c_str) => c_str,
        None => panic!("a C string cannot hold a NUL byte"),
    }
}

/// Makes a `&'static` [`CStr`] of a string literal, at compile time.
///
/// A literal with a NUL byte in it does not compile.
#[macro_export]
macro_rules! c_str {
    ($str:expr) => {{
        const __C_STR: &$crate::str::CStr =
            $crate::str::literal($crate::__core::concat!($str, "\0"));
        __C_STR
    }};
}
