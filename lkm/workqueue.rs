// SPDX-License-Identifier: GPL-2.0

//! Work queues: work for a kernel thread, where one may sleep.
//!
//! C header: `include/linux/workqueue.h`.
//!
//! ```text
//!          enqueue                  a worker is free
//!   idle ────────────> pending ───────────────────────> running
//!    ^                    ^                             │    │
//!    │                    └────────── enqueue ──────────┘    │
//!    └──────────────────────────── done ─────────────────────┘
//! ```

use crate::{
    bindings,
    error::{code::ENOMEM, Result},
    irq::may_sleep,
    source::{stopped, Quiesce, Source},
    str::CStr,
    sync::{Arc, LockClassKey},
    types::Opaque,
};
use core::{cell::UnsafeCell, ptr::NonNull};

/// A `workqueue_struct` of one's own.
///
/// Dropping it waits until all that was enqueued has run; its own work cannot
/// do so, as it would wait for itself. May sleep.
///
/// # Invariants
///
/// `ptr` is a live work queue that this owns.
pub struct Queue {
    ptr: NonNull<bindings::workqueue_struct>,
}

// SAFETY: a work queue belongs to no thread, and has locks of its own.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// Makes a queue whose work may run on any CPU. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, always so where one must not sleep.
    pub fn new_unbound(name: &'static CStr) -> Result<Self> {
        if !may_sleep() {
            return Err(ENOMEM);
        }
        // SAFETY: C copies the name.
        let ptr = unsafe {
            bindings::lkm_alloc_workqueue(name.as_char_ptr(), bindings::BINDINGS_WQ_UNBOUND)
        };
        // INVARIANT: just made.
        Ok(Self {
            ptr: NonNull::new(ptr).ok_or(ENOMEM)?,
        })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Where one cannot wait, it is leaked.
        if may_sleep() {
            // SAFETY: live by the invariant, and not used again.
            unsafe { bindings::destroy_workqueue(self.ptr.as_ptr()) };
        }
    }
}

/// What a [`Work`] calls.
pub trait WorkItem: Send + 'static {
    /// Called once for one or more calls of [`Work::enqueue`]; process context,
    /// may sleep.
    ///
    /// A queue runs a work item on one thread at a time, so this has its data
    /// to itself.
    fn run(&mut self);
}

#[repr(C)]
struct Inner<T> {
    work: Opaque<bindings::work_struct>,
    item: UnsafeCell<T>,
}

/// A `work_struct` with its callback's data, for one queue.
///
/// Dropping it cancels it, waits, and drops the data; the work itself cannot
/// do so, as it would wait for itself. See [`new_work!`](crate::new_work!).
///
/// # Invariants
///
/// The C work is initialised, and is put on `queue` alone: two queues would
/// run it at the same time. Only its function accesses `item`.
pub struct Work<T: WorkItem> {
    inner: Source<Inner<T>>,
    queue: Arc<Queue>,
}

// SAFETY: the C work synchronises itself, as the queue does, and the data,
// which may be sent to where it is called and dropped, is never shared.
unsafe impl<T: WorkItem> Send for Work<T> {}
// SAFETY: as above.
unsafe impl<T: WorkItem> Sync for Work<T> {}

/// Makes a [`Work`]: `new_work!(queue, item, "name")`, a [`Result`].
#[macro_export]
macro_rules! new_work {
    ($queue:expr, $item:expr $(, $name:literal)?) => {
        $crate::with_lock_class!($crate::workqueue::Work::new, ($queue, $item) $(, $name)?)
    };
}

impl<T: WorkItem> Work<T> {
    /// Made by [`new_work!`](crate::new_work!). May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ESHUTDOWN` while the module is being unloaded.
    pub fn new(
        queue: Arc<Queue>,
        item: T,
        name: &'static CStr,
        key: &'static LockClassKey,
    ) -> Result<Self> {
        let inner = Inner {
            work: Opaque::uninit(),
            item: UnsafeCell::new(item),
        };
        let inner = Source::new(inner, |inner| {
            // SAFETY: a `Source` keeps it where it is; name and key are static.
            unsafe {
                bindings::lkm_init_work(
                    inner.work.get(),
                    Some(run::<T>),
                    name.as_char_ptr(),
                    key.as_ptr(),
                );
            }
        })?;
        // INVARIANT: just initialised, and on no queue yet.
        Ok(Self { inner, queue })
    }

    /// Has it run, unless it is pending already; any context.
    ///
    /// Whether it was not pending.
    pub fn enqueue(&self) -> bool {
        let (queue, work) = (self.queue.ptr.as_ptr(), self.inner.work.get());
        // SAFETY: both are live, by their invariants.
        // INVARIANT: the same queue each time.
        !stopped() && unsafe { bindings::lkm_queue_work(queue, work) }
    }

    /// Waits until what was enqueued has run. Process context, may sleep; not
    /// to be called from the work itself.
    pub fn flush(&self) {
        if may_sleep() {
            // SAFETY: initialised by the invariant.
            unsafe { bindings::flush_work(self.inner.work.get()) };
        }
    }
}

// SAFETY: `cancel_work_sync` takes the work off its queue, waits for it if it
// runs, and keeps it from being enqueued meanwhile.
unsafe impl<T: WorkItem> Quiesce for Inner<T> {
    fn quiesce(&self) {
        // SAFETY: initialised, by the invariant of `Work`.
        unsafe { bindings::cancel_work_sync(self.work.get()) };
    }
}

/// # Safety
///
/// `work` is the first field of an `Inner<T>`; called by a worker alone.
unsafe extern "C" fn run<T: WorkItem>(work: *mut bindings::work_struct) {
    // SAFETY: by this function's requirement, and a `Source` outlives its
    // callbacks; `Inner` is `repr(C)`.
    let inner = unsafe { &*work.cast::<Inner<T>>() };
    // SAFETY: nobody but this function looks at it, and no two workers run one
    // work item of one queue at a time.
    unsafe { &mut *inner.item.get() }.run();
}
