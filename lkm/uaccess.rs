// SPDX-License-Identifier: GPL-2.0

//! Memory of the process that made a system call.
//!
//! C headers: `include/linux/uaccess.h` and `include/linux/uio.h`.
//!
//! Userland may change such memory, or unmap it, at any time. So it is only
//! ever copied, never borrowed, and [`UserSlice`] hands out each byte once:
//! what was checked cannot be read again and be something else.

use crate::{
    bindings,
    error::{code::EFAULT, Result},
    kvec::KVVec,
    transmute::{AsBytes, FromBytes},
};
use core::{
    ffi::c_void,
    marker::PhantomData,
    mem::{size_of, MaybeUninit},
    ops::Deref,
};

/// A part of the caller's memory: where a system call reads or writes.
///
/// Any address may be given: a bad one is `EFAULT` when it is used. So is any
/// in a kernel thread or an interrupt, which have no such memory, and, after a
/// warning, with interrupts off or to a reader of RCU, where one must not wait
/// for it, as `write_nofault` does not. (Who drops two guards of `SpinLockIrq` in the
/// wrong order has interrupts off of which a copy does not know: it may sleep.)
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
    pub fn reader(self) -> UserSliceReader<'static> {
        UserSliceReader { at: self.into() }
    }

    /// To write to it, from its start.
    #[inline]
    pub fn writer(self) -> UserSliceWriter<'static> {
        UserSliceWriter { at: self.into() }
    }
}

/// Marks a length as that of an `iov_iter`. The kernel moves no more than 2 GiB in a
/// call, so no other has it.
pub(crate) const IN_ITER: usize = 1 << (usize::BITS - 1);

/// Where a reader or a writer is: at an address of userland's, or in what a
/// call has brought, which may be several such parts, or pages of the kernel's.
///
/// It is the calling thread's alone: no other has its memory.
///
/// # Invariants
///
/// If `marked` has the mark [`IN_ITER`], `ptr` is an `iov_iter`, valid and nobody
/// else's for `'a`, which has as many bytes left as `marked` says besides. If not, it
/// is any address, and a bad one in a thread that has no memory.
struct Position<'a> {
    ptr: *mut c_void,
    marked: usize,
    _call: PhantomData<&'a mut bindings::iov_iter>,
}

impl From<UserSlice> for Position<'static> {
    #[inline]
    fn from(slice: UserSlice) -> Self {
        // SAFETY: always allowed.
        let ptr = match unsafe { bindings::lkm_has_user_memory() } {
            true => slice.ptr,
            false => usize::MAX,
        };
        // INVARIANT: without the mark.
        Self {
            ptr: ptr as *mut c_void,
            marked: slice.len.min(!IN_ITER),
            _call: PhantomData,
        }
    }
}

impl Position<'_> {
    /// The `iov_iter`, if it is in one.
    #[inline]
    fn iter(&self) -> Option<*mut bindings::iov_iter> {
        (self.marked & IN_ITER != 0).then(|| self.ptr.cast())
    }

    #[inline]
    fn len(&self) -> usize {
        self.marked & !IN_ITER
    }

    /// Moves behind `count` bytes, of which there are enough. An `iov_iter` C has
    /// moved.
    #[inline]
    fn advance(&mut self, count: usize) {
        if self.iter().is_none() {
            self.ptr = self.ptr.cast::<u8>().wrapping_add(count).cast();
        }
        self.marked = self.marked.wrapping_sub(count);
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
        (this.append(from) == from.len()).then_some(this)
    }

    /// Copies those of `more` that there is room for, and says how many.
    #[inline]
    pub(crate) fn append(&mut self, more: &[u8]) -> usize {
        let count = more.len().min(N.wrapping_sub(self.len));
        // SAFETY: there is room for that many behind the first `len`, which by the
        // invariant are at most `N`; `self` is borrowed for this alone.
        unsafe {
            let to = self.bytes.as_mut_ptr().cast::<u8>().add(self.len);
            to.copy_from_nonoverlapping(more.as_ptr(), count);
        }
        // INVARIANT: just written.
        self.len = self.len.wrapping_add(count);
        count
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

/// Reads from start to end: a [`UserSlice`], or what is written to a device.
///
/// The latter is there for one call, which `'a` stands for.
pub struct UserSliceReader<'a> {
    at: Position<'a>,
}

impl UserSliceReader<'_> {
    /// Of what a call has brought: an `iov_iter`, or an address.
    ///
    /// # Safety
    ///
    /// An `iov_iter`, of which `marked` has the mark and the length, is to be read
    /// from, and is valid, and nobody else's, for as long as this is. An address is
    /// from a call of this thread's.
    #[inline]
    pub(crate) unsafe fn of_call(ptr: *mut c_void, marked: usize) -> Self {
        // INVARIANT: the caller's promise.
        let at = Position {
            ptr,
            marked,
            _call: PhantomData,
        };
        Self { at }
    }

    /// The number of bytes that are left.
    #[inline]
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether nothing is left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.at.len() == 0
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
        let len = self.at.len().min(N);
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
        if len > self.at.len() {
            return Err(EFAULT);
        }
        let to = to.cast::<c_void>();
        // SAFETY: the caller's promise; C checks the other address. Of an `iov_iter`
        // the invariant says the rest.
        let copied = unsafe {
            match self.at.iter() {
                None => bindings::lkm_copy_from_user(to, self.at.ptr, len as _) == 0,
                Some(iter) => bindings::lkm_copy_from_iter(to, len, iter),
            }
        };
        if !copied {
            return Err(EFAULT);
        }
        self.at.advance(len);
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
        let len = self.at.len();
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
    pub fn read<T: FromBytes>(&mut self) -> Result<T> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: `value` has that many bytes; and any bytes make a `T`, says
        // `FromBytes`.
        unsafe {
            self.read_raw(value.as_mut_ptr().cast(), size_of::<T>())?;
            Ok(value.assume_init())
        }
    }
}

/// Writes from start to end: a [`UserSlice`], or what is read from a device.
///
/// The latter is there for one call, which `'a` stands for.
pub struct UserSliceWriter<'a> {
    at: Position<'a>,
}

impl UserSliceWriter<'_> {
    /// Of what a call has brought: an `iov_iter`, or an address.
    ///
    /// # Safety
    ///
    /// An `iov_iter`, of which `marked` has the mark and the length, is to be written
    /// to, and is valid, and nobody else's, for as long as this is. An address is
    /// from a call of this thread's.
    #[inline]
    pub(crate) unsafe fn of_call(ptr: *mut c_void, marked: usize) -> Self {
        // INVARIANT: the caller's promise.
        let at = Position {
            ptr,
            marked,
            _call: PhantomData,
        };
        Self { at }
    }

    /// The number of bytes for which there is room.
    #[inline]
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether there is no room.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.at.len() == 0
    }

    /// Writes `from`; process context, may sleep.
    ///
    /// # Errors
    ///
    /// `EFAULT` if it cannot be written or there is not room for it all; then
    /// a part may have been written, and the position is as before.
    #[inline]
    pub fn write_slice(&mut self, from: &[u8]) -> Result {
        if from.len() > self.at.len() {
            return Err(EFAULT);
        }
        let bytes = from.as_ptr().cast::<c_void>();
        // SAFETY: `from` is valid for reads of its length; C checks the other
        // address. Of an `iov_iter` the invariant says the rest.
        let copied = unsafe {
            match self.at.iter() {
                None => bindings::lkm_copy_to_user(self.at.ptr, bytes, from.len() as _) == 0,
                Some(iter) => bindings::lkm_copy_to_iter(bytes, from.len(), iter),
            }
        };
        if !copied {
            return Err(EFAULT);
        }
        self.at.advance(from.len());
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
        // One that is below 0 becomes one that is behind any end.
        let rest = match contents.get(*position as usize..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => return Ok(0),
        };
        let len = rest.len().min(self.at.len());
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
        let len = from.len().min(self.at.len());
        let bytes = from.as_ptr().cast::<c_void>();
        // SAFETY: as in `write_slice`, for `len` bytes.
        let written = unsafe {
            match self.at.iter() {
                None => {
                    let left = bindings::lkm_copy_to_user_nofault(self.at.ptr, bytes, len as _);
                    len.saturating_sub(left as usize)
                }
                Some(iter) => bindings::lkm_copy_to_iter_nofault(bytes, len, iter),
            }
        };
        self.at.advance(written);
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
        // SAFETY: C checks the address; of an `iov_iter` the invariant says the rest.
        let there = unsafe {
            match self.at.iter() {
                None => bindings::lkm_fault_in_writeable(self.at.ptr.cast()),
                Some(iter) => bindings::lkm_fault_in_iter_writeable(iter),
            }
        };
        if self.is_empty() || !there {
            return Err(EFAULT);
        }
        Ok(())
    }
}
