// SPDX-License-Identifier: GPL-2.0

//! Values and their bytes: which types have only bytes that may be looked at,
//! and which are made of any bytes.
//!
//! Both traits are for structs, too: see [`as_bytes!`](crate::as_bytes!) and
//! [`from_bytes!`](crate::from_bytes!), which the build says of every struct in
//! include/uapi.

use core::mem::{align_of, size_of};

/// Types whose values are bytes that may be read, and so given to userland.
///
/// # Safety
///
/// All bytes of a value are initialised, so the type has no padding, and it has no
/// interior mutability.
pub unsafe trait AsBytes {}

/// Types of which any bytes make a value, so that userland may give them.
///
/// # Safety
///
/// Every bit pattern is valid for the type.
pub unsafe trait FromBytes {}

macro_rules! implement {
    ($trait:ident: $($type:ty)*) => {$(
        // SAFETY: nothing of it is padding. Integers take any bits; others are `AsBytes` only.
        unsafe impl $trait for $type {}
    )*};
}
implement!(AsBytes: u8 i8 u16 i16 u32 i32 u64 i64 usize isize bool char);
implement!(FromBytes: u8 i8 u16 i16 u32 i32 u64 i64 usize isize);

// SAFETY: an array has no padding besides that of its elements.
unsafe impl<T: AsBytes, const N: usize> AsBytes for [T; N] {}
// SAFETY: an array has nothing but its elements.
unsafe impl<T: FromBytes, const N: usize> FromBytes for [T; N] {}

/// The same memory as plain values; `None` if it is not aligned for them, or
/// if bytes are left over.
pub fn from_bytes_mut<T: AsBytes + FromBytes>(bytes: &mut [u8]) -> Option<&mut [T]> {
    if bytes.is_empty() {
        // It may be nowhere, and aligned for nothing.
        return Some(&mut []);
    }
    let len = bytes.len().checked_div(size_of::<T>())?;
    let ptr = bytes.as_mut_ptr().cast::<T>();
    if len.wrapping_mul(size_of::<T>()) != bytes.len() || ptr as usize % align_of::<T>() != 0 {
        return None;
    }
    // SAFETY: all of `bytes`, aligned; any bytes make a `T`, and each `T` that
    // is written there makes bytes that are initialised.
    Some(unsafe { core::slice::from_raw_parts_mut(ptr, len) })
}

/// Says that a struct is [`AsBytes`](crate::transmute::AsBytes), and has that checked:
/// `as_bytes!(simrupt_stats { ticks, produced })`, with all fields.
///
/// It does not compile if a field is missing or is itself no `AsBytes`, or if
/// there is a gap between two fields or after the last.
#[macro_export]
macro_rules! as_bytes {
    ($type:path { $($field:ident),* $(,)? }) => {
        const _: () = {
            const fn size<T, F: $crate::transmute::AsBytes>(_: fn(&T) -> &F) -> usize {
                $crate::__core::mem::size_of::<F>()
            }
            $crate::__core::assert!(
                $crate::__core::mem::size_of::<$type>() == 0 $(+ size(|it: &$type| &it.$field))*,
                $crate::__core::concat!($crate::__core::stringify!($type), " has padding"),
            );
            #[allow(dead_code)]
            fn names_all_fields(it: &$type) {
                let $type { $($field: _),* } = it;
            }
        };
        // SAFETY: all fields are `AsBytes`, and there is nothing else in it.
        unsafe impl $crate::transmute::AsBytes for $type {}
    };
}

/// Says that a struct is [`FromBytes`](crate::transmute::FromBytes), and has that checked:
/// `from_bytes!(simrupt_stats { ticks, produced })`, with all fields.
///
/// It does not compile if a field is missing or is itself no `FromBytes`.
#[macro_export]
macro_rules! from_bytes {
    ($type:path { $($field:ident),* $(,)? }) => {
        const _: () = {
            #[allow(dead_code)]
            fn takes_any<T, F: $crate::transmute::FromBytes>(_: fn(&T) -> &F) {}
            #[allow(dead_code)]
            fn names_all_fields(it: &$type) {
                let $type { $($field: _),* } = it;
                $(takes_any(|it: &$type| &it.$field);)*
            }
        };
        // SAFETY: all fields are `FromBytes`, and there is nothing else in it that is
        // looked at.
        unsafe impl $crate::transmute::FromBytes for $type {}
    };
}
