// SPDX-License-Identifier: GPL-2.0

//! Open files.
//!
//! C headers: `include/linux/fs.h` and `include/linux/poll.h`.

use crate::{bindings, irq::may_sleep, sync::WaitQueue, types::Opaque};
use core::marker::PhantomData;

/// A `struct file`: what an open(2) made.
#[repr(transparent)]
pub struct File(Opaque<bindings::file>);

// SAFETY: what is read here may be read by any thread.
unsafe impl Sync for File {}

impl File {
    /// Borrows a file from C.
    ///
    /// # Safety
    ///
    /// `ptr` is a file that stays open for `'a`.
    #[inline]
    pub(crate) unsafe fn from_ptr<'a>(ptr: *mut bindings::file) -> &'a File {
        // SAFETY: the caller's promise; `File` is transparent.
        unsafe { &*ptr.cast::<File>() }
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::file {
        self.0.get()
    }

    /// The flags of open(2), as fcntl(2) may have changed them; any context.
    #[inline]
    pub fn flags(&self) -> u32 {
        // SAFETY: the file is open. fcntl may change the flags at any time.
        unsafe { core::ptr::addr_of!((*self.as_ptr()).f_flags).read_volatile() }
    }

    /// Whether it was opened for writing; any context.
    #[inline]
    pub fn is_writable(&self) -> bool {
        // SAFETY: the file is open, and this bit of its mode stays as it is.
        let mode = unsafe { core::ptr::addr_of!((*self.as_ptr()).f_mode).read_volatile() };
        mode & bindings::BINDINGS_FMODE_WRITE != 0
    }

    /// Whether `O_NONBLOCK` is set: then nothing must wait. (`RWF_NOWAIT` of
    /// preadv2(2) is refused before the device is asked.)
    #[inline]
    pub fn is_nonblocking(&self) -> bool {
        self.flags() & bindings::O_NONBLOCK != 0
    }
}

/// What poll(2), select(2) and epoll(7) are told: see [`PollTable`].
pub type PollMask = u32;

/// There is something to read.
pub const POLL_READABLE: PollMask = bindings::BINDINGS_EPOLLIN | bindings::BINDINGS_EPOLLRDNORM;
/// There is room to write.
pub const POLL_WRITABLE: PollMask = bindings::BINDINGS_EPOLLOUT | bindings::BINDINGS_EPOLLWRNORM;

/// Where a poller says on which wait queues it is to be woken.
///
/// It may stay on them for as long as the file is open. So only wait queues
/// that live that long can be registered: `'file` says so, and is invariant.
///
/// # Invariants
///
/// `table` is null or the poller's, and belongs to `file`; data borrowed for
/// `'file` lives until no poller knows the file any more.
pub struct PollTable<'file> {
    file: *mut bindings::file,
    table: *mut bindings::poll_table_struct,
    _lifetime: PhantomData<fn(&'file ()) -> &'file ()>,
}

impl<'file> PollTable<'file> {
    /// # Safety
    ///
    /// As the invariants say.
    #[inline]
    pub(crate) unsafe fn new(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> Self {
        // INVARIANT: the caller's promise.
        Self {
            file,
            table,
            _lifetime: PhantomData,
        }
    }

    /// Has the poller woken by `queue`; to be called before one looks whether
    /// anything is ready. Process context, may sleep.
    #[inline]
    pub fn register(&mut self, queue: &'file WaitQueue) {
        // C allocates.
        if may_sleep() {
            // SAFETY: by the invariant `queue` outlives what the poller does
            // with it, and the table is this file's.
            unsafe { bindings::lkm_poll_wait(self.file, queue.as_ptr(), self.table) };
        }
    }
}
