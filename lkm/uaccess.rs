// SPDX-License-Identifier: GPL-2.0

//! Memory of the process that made a system call.
//!
//! C header: `include/linux/uaccess.h`.
//!
//! Userland may change such memory, or unmap it, at any time. So it is only
//! ever copied, never borrowed, and [`UserSlice`] hands out each byte once:
//! what was checked cannot be read again and be something else.

use crate::{
    bindings,
    error::{code::EFAULT, Result},
    kvec::KVVec,
};
use core::{
    ffi::c_void,
    mem::{align_of, size_of, MaybeUninit},
    ops::Deref,
};

/// Plain values: every byte of them is initialised, and any bytes make one.
///
/// For structs see [`as_bytes!`](crate::as_bytes!).
///
/// # Safety
///
/// The type has no padding and no interior mutability, and every bit pattern
/// is valid for it.
pub unsafe trait AsBytes: Copy {}

macro_rules! plain {
    ($($type:ty)*) => {$(
        // SAFETY: an integer has no padding, and takes any bits.
        unsafe impl AsBytes for $type {}
    )*};
}
plain!(u8 i8 u16 i16 u32 i32 u64 i64 usize isize);

// SAFETY: an array has no padding besides that of its elements.
unsafe impl<T: AsBytes, const N: usize> AsBytes for [T; N] {}

/// The same memory as plain values; `None` if it is not aligned for them, or
/// if bytes are left over.
pub fn from_bytes_mut<T: AsBytes>(bytes: &mut [u8]) -> Option<&mut [T]> {
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

/// Says that a struct has no padding, and has that checked:
/// `as_bytes!(simrupt_stats { ticks, produced })`, with all fields.
///
/// The build says so of every struct in include/uapi. It does not compile if a
/// field is missing or is itself no [`AsBytes`], or if there is a gap between
/// two fields or after the last.
#[macro_export]
macro_rules! as_bytes {
    ($type:path { $($field:ident),* $(,)? }) => {
        const _: () = {
            const fn size<T, F: $crate::uaccess::AsBytes>(_: fn(&T) -> &F) -> usize {
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
        unsafe impl $crate::uaccess::AsBytes for $type {}
    };
}

/// A part of the caller's memory: where a system call reads or writes.
///
/// Any address may be given: a bad one is `EFAULT` when it is used. So is any
/// in a kernel thread or an interrupt, which have no such memory, and, after a
/// warning, with interrupts off or to a reader of RCU, where one must not wait
/// for it, as `write_nofault` does not.
pub struct UserSlice {
    ptr: usize,
    len: usize,
}

impl UserSlice {
    /// The `len` bytes at the user address `ptr`.
    #[inline]
    pub fn new(ptr: usize, len: usize) -> Self {
        Self { ptr, len }
    }

    /// To read from it, from its start.
    #[inline]
    pub fn reader(self) -> UserSliceReader {
        UserSliceReader { slice: self }
    }

    /// To write to it, from its start.
    #[inline]
    pub fn writer(self) -> UserSliceWriter {
        UserSliceWriter { slice: self }
    }

    /// Moves the start behind `count` bytes, of which there are enough.
    #[inline]
    fn advance(&mut self, count: usize) {
        self.ptr = self.ptr.wrapping_add(count);
        self.len = self.len.saturating_sub(count);
    }
}

/// Up to `N` bytes, in place: where a copy of userland's goes that is not large.
///
/// # Invariants
///
/// The first `len` bytes, of at most `N`, are initialised.
#[derive(Clone, Copy)]
pub struct Bytes<const N: usize> {
    bytes: MaybeUninit<[u8; N]>,
    len: usize,
}

impl<const N: usize> Bytes<N> {
    /// No bytes.
    #[allow(clippy::new_without_default)]
    #[inline]
    pub fn new() -> Self {
        // INVARIANT: no byte is initialised.
        Self {
            bytes: MaybeUninit::uninit(),
            len: 0,
        }
    }

    /// A copy; `None` if there are more than `N`.
    pub fn copy_of(from: &[u8]) -> Option<Self> {
        let mut this = Self::new();
        if from.len() > N {
            return None;
        }
        // SAFETY: there is room for that many; `this` is new.
        unsafe {
            let to = this.bytes.as_mut_ptr().cast::<u8>();
            to.copy_from_nonoverlapping(from.as_ptr(), from.len());
        }
        // INVARIANT: just written.
        this.len = from.len();
        Some(this)
    }
}

impl<const N: usize> Deref for Bytes<N> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: initialised, by the invariant.
        unsafe { core::slice::from_raw_parts(self.bytes.as_ptr().cast::<u8>(), self.len) }
    }
}

/// Reads a [`UserSlice`] from start to end.
pub struct UserSliceReader {
    slice: UserSlice,
}

impl UserSliceReader {
    /// The number of bytes that are left.
    #[inline]
    pub fn len(&self) -> usize {
        self.slice.len
    }

    /// Whether nothing is left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.slice.len == 0
    }

    /// Fills `to` with the next bytes; process context, may sleep.
    ///
    /// # Errors
    ///
    /// `EFAULT` if they cannot be read or there are not that many; then `to`
    /// may be partly filled, and nothing is consumed.
    #[inline]
    pub fn read_slice(&mut self, to: &mut [u8]) -> Result {
        // SAFETY: `to` is valid for writes of its length.
        unsafe { self.read_raw(to.as_mut_ptr(), to.len()) }
    }

    /// Reads the next `N` bytes, or all that are left if these are fewer, in
    /// place of what `to` has; process context, may sleep.
    ///
    /// # Errors
    ///
    /// `EFAULT` if they cannot be read; then `to` is empty, and nothing is
    /// consumed.
    #[inline]
    pub fn read_bytes<const N: usize>(&mut self, to: &mut Bytes<N>) -> Result {
        // INVARIANT: no byte need be initialised.
        to.len = 0;
        let len = self.slice.len.min(N);
        // SAFETY: there is room for that many.
        unsafe { self.read_raw(to.bytes.as_mut_ptr().cast(), len)? };
        // INVARIANT: just written.
        to.len = len;
        Ok(())
    }

    /// As [`read_slice`](Self::read_slice); what is at `to` is not read.
    ///
    /// # Safety
    ///
    /// `to` is valid for writes of `len` bytes.
    #[inline]
    unsafe fn read_raw(&mut self, to: *mut u8, len: usize) -> Result {
        if len > self.slice.len {
            return Err(EFAULT);
        }
        // SAFETY: the caller's promise; C checks the other address.
        let left = unsafe {
            bindings::lkm_copy_from_user(
                to.cast::<c_void>(),
                self.slice.ptr as *const c_void,
                len as _,
            )
        };
        if left != 0 {
            return Err(EFAULT);
        }
        self.slice.advance(len);
        Ok(())
    }

    /// Adds all that is left to `to`, which grows for it if it has to; process
    /// context, may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or `EFAULT` if not all can be read; then `to` has what it had,
    /// and nothing is consumed.
    pub fn read_all(&mut self, to: &mut KVVec<u8>) -> Result {
        let len = self.slice.len;
        to.reserve_exact(len)?;
        // SAFETY: there is room for that many, as was just reserved, and then
        // they are written.
        unsafe {
            self.read_raw(to.spare_capacity_mut().as_mut_ptr().cast(), len)?;
            to.inc_len(len);
        }
        Ok(())
    }

    /// Reads a plain value; as [`read_slice`](Self::read_slice).
    pub fn read<T: AsBytes>(&mut self) -> Result<T> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: `value` has that many bytes; and any bytes make a `T`, says
        // `AsBytes`.
        unsafe {
            self.read_raw(value.as_mut_ptr().cast(), size_of::<T>())?;
            Ok(value.assume_init())
        }
    }
}

/// Writes a [`UserSlice`] from start to end.
pub struct UserSliceWriter {
    slice: UserSlice,
}

impl UserSliceWriter {
    /// The number of bytes for which there is room.
    #[inline]
    pub fn len(&self) -> usize {
        self.slice.len
    }

    /// Whether there is no room.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.slice.len == 0
    }

    /// Writes `from`; process context, may sleep.
    ///
    /// # Errors
    ///
    /// `EFAULT` if it cannot be written or there is not room for it all; then
    /// a part may have been written, and the position is as before.
    #[inline]
    pub fn write_slice(&mut self, from: &[u8]) -> Result {
        if from.len() > self.slice.len {
            return Err(EFAULT);
        }
        // SAFETY: `from` is valid for reads of its length; C checks the other.
        let left = unsafe {
            bindings::lkm_copy_to_user(
                self.slice.ptr as *mut c_void,
                from.as_ptr().cast::<c_void>(),
                from.len() as _,
            )
        };
        if left != 0 {
            return Err(EFAULT);
        }
        self.slice.advance(from.len());
        Ok(())
    }

    /// Writes what of `contents` there is from `position` on and room for, and
    /// moves `position` behind it: all that a read(2) of `contents` has to do.
    /// How many bytes that was; 0 at or behind the end.
    ///
    /// Unlike C's it is all or nothing: `EFAULT` if not all of that can be
    /// written, and then `position` stays. Process context, may sleep.
    #[inline]
    pub fn simple_read_from_buffer(
        &mut self,
        position: &mut i64,
        contents: &[u8],
    ) -> Result<usize> {
        let rest = usize::try_from(*position)
            .ok()
            .and_then(|start| contents.get(start..))
            .unwrap_or_default();
        let len = rest.len().min(self.slice.len);
        self.write_slice(rest.get(..len).unwrap_or_default())?;
        // `position` is at most the length of a slice here, or nothing is added.
        *position = position.wrapping_add(len as i64);
        Ok(len)
    }

    /// Writes a plain value; as [`write_slice`](Self::write_slice).
    pub fn write<T: AsBytes>(&mut self, value: &T) -> Result {
        // SAFETY: `AsBytes` says that all its bytes are initialised.
        self.write_slice(unsafe {
            core::slice::from_raw_parts((value as *const T).cast::<u8>(), size_of::<T>())
        })
    }

    /// Writes of `from` what can be written without waiting for a page; how
    /// many bytes that was.
    ///
    /// For process context with a spin lock held. If it was not all, drop the
    /// lock, call [`fault_in`](Self::fault_in), and try again.
    #[inline]
    pub fn write_nofault(&mut self, from: &[u8]) -> usize {
        let len = from.len().min(self.slice.len);
        // SAFETY: `from` is valid for reads of `len`; C checks the other.
        let left = unsafe {
            bindings::lkm_copy_to_user_nofault(
                self.slice.ptr as *mut c_void,
                from.as_ptr().cast::<c_void>(),
                len as _,
            )
        };
        let written = len.saturating_sub(left as usize);
        self.slice.advance(written);
        written
    }

    /// Brings the page into memory that comes next; process context, may sleep.
    ///
    /// What is there is not changed. The page may be gone again when this
    /// returns.
    ///
    /// # Errors
    ///
    /// `EFAULT` if not even the next byte can be written.
    #[inline]
    pub fn fault_in(&mut self) -> Result {
        // SAFETY: C checks the address.
        if self.is_empty() || !unsafe { bindings::lkm_fault_in_writeable(self.slice.ptr as *mut _) }
        {
            return Err(EFAULT);
        }
        Ok(())
    }
}
