// SPDX-License-Identifier: GPL-2.0

//! The kernel's sort: a heap sort.
//!
//! C header: `include/linux/sort.h`.
//!
//! It needs no memory, and n log n steps whatever it is given. It does not keep
//! the order of what is equal. Core's `sort_unstable` is faster, but has panics
//! in it.

use crate::bindings;
use core::{
    cmp::Ordering,
    ffi::{c_int, c_void},
    mem::size_of,
};

/// Sorts by `compare`. Any context; it does not sleep, and does not ask whether
/// somebody else is to run before it is done.
///
/// A `compare` that contradicts itself leaves all elements, in some order.
pub fn sort<T, F: FnMut(&T, &T) -> Ordering>(slice: &mut [T], mut compare: F) {
    let compare: *mut F = &mut compare;
    // SAFETY: C swaps elements of the slice, as bytes, and compares two of them
    // while each is in its place; it keeps within the slice whatever `compare`
    // says. `call` fits the types, and has `compare` to itself: a closure that
    // is borrowed here cannot get hold of itself.
    unsafe {
        bindings::sort_r(
            slice.as_mut_ptr().cast(),
            slice.len() as _,
            size_of::<T>() as _,
            Some(call::<T, F>),
            None,
            compare as *const c_void,
        );
    }
}

/// # Safety
///
/// `a` and `b` are valid `T`s, `compare` is an `F`, and nobody else has it.
unsafe extern "C" fn call<T, F: FnMut(&T, &T) -> Ordering>(
    a: *const c_void,
    b: *const c_void,
    compare: *const c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    let (a, b, compare) = unsafe { (&*a.cast::<T>(), &*b.cast::<T>(), &mut *(compare as *mut F)) };
    compare(a, b) as c_int
}
