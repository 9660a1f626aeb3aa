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
    bindings, c_str,
    cpumask::{online_cpus, Cpu},
    error::{code::ENOMEM, Result},
    irq::{may_sleep, smp_processor_id},
    kvec::KVVec,
    source::{leaked, stopped, Quiesce, Source},
    str::CStr,
    sync::{Arc, Backend, LockClassKey, MutexBackend},
    types::Opaque,
};
use core::{
    cell::UnsafeCell,
    ffi::{c_int, c_uint},
    ptr::NonNull,
    sync::atomic::{AtomicBool, Ordering},
};

/// A `workqueue_struct` of one's own.
///
/// Dropping it waits until all that was enqueued has run; its own work cannot
/// do so, as it would wait for itself. May sleep; where one must not, it is leaked.
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
        Self::new(name, bindings::BINDINGS_WQ_UNBOUND)
    }

    /// Makes a queue for work that keeps a CPU busy, and runs on the one that it
    /// is enqueued on, while other work there goes on. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, always so where one must not sleep.
    pub fn new_cpu_intensive(name: &'static CStr) -> Result<Self> {
        Self::new(name, bindings::BINDINGS_WQ_CPU_INTENSIVE)
    }

    #[cold]
    fn new(name: &'static CStr, flags: c_uint) -> Result<Self> {
        if !may_sleep() {
            return Err(ENOMEM);
        }
        // SAFETY: C copies the name.
        let ptr = unsafe { bindings::lkm_alloc_workqueue(name.as_char_ptr(), flags) };
        // INVARIANT: just made.
        Ok(Self {
            ptr: NonNull::new(ptr).ok_or(ENOMEM)?,
        })
    }

    /// Calls `f` once for each of `items`, on as many threads as there are
    /// `workers`, this one among them. A worker is what a thread has to itself
    /// meanwhile, a table for instance.
    ///
    /// In a [cpu-intensive](Self::new_cpu_intensive) queue each thread has a CPU to
    /// itself, as far as there are some online. In an unbound one the scheduler
    /// spreads them, in its own time, and short work may be done before that.
    ///
    /// Returns when all calls have ended: the number of threads that took an item.
    /// A thread takes the next one when it is through with the last, so one whose
    /// CPU is busy with other things may come too late for any. Without memory for
    /// others, and, after a warning, where one must not sleep, this thread does it
    /// all. With no `workers` nothing is done.
    ///
    /// Process context, may sleep, and so may `f`; no signal ends it. `items` is
    /// asked for the next one under a mutex. If `f` or `items` itself calls this,
    /// lockdep takes that for a deadlock, which it is not, and reports nothing more.
    pub fn for_each<S: Send, T>(
        &self,
        workers: &mut [S],
        items: impl Iterator<Item = T> + Send,
        f: impl Fn(&mut S, T) + Sync,
    ) -> usize {
        static CLASS: LockClassKey = LockClassKey::new();

        // An interrupt cannot have a mutex, nor help.
        let alone = !may_sleep();
        let threads = if alone {
            workers.len().min(1)
        } else {
            workers.len()
        };
        let workers = Workers(workers.as_mut_ptr());
        let items = Items {
            alone,
            lock: Opaque::uninit(),
            iterator: UnsafeCell::new(items.fuse()),
        };
        // SAFETY: it stays where it is, to the end of this function.
        // INVARIANT: initialised before anybody uses it.
        unsafe { MutexBackend::init(items.lock.get(), c_str!("lkm_for_each_items"), &CLASS) };
        let took_part = self.run(threads, &|nth| {
            // SAFETY: `nth` is below the number of workers, and `run` gives it
            // to one call. They are borrowed until all calls have ended.
            let worker = unsafe { workers.get(nth) };
            let mut took_part = false;
            while let Some(item) = items.next() {
                took_part = true;
                f(worker, item);
            }
            took_part
        });
        // SAFETY: initialised, and not used again.
        unsafe { MutexBackend::destroy(items.lock.get()) };
        took_part
    }

    /// Calls `f` with each number below `threads` at most once, and with 0 for
    /// sure; returns when all calls have ended. How many have returned true.
    fn run(&self, threads: usize, f: &(dyn Fn(usize) -> bool + Sync)) -> usize {
        static CLASS: LockClassKey = LockClassKey::new();

        // None if there is no memory.
        let mut helpers = KVVec::with_capacity(threads.saturating_sub(1)).unwrap_or_default();
        for nth in 1..threads {
            let helper = Helper {
                work: Opaque::uninit(),
                f,
                nth,
                returned: AtomicBool::new(false),
            };
            if helpers.push_within_capacity(helper).is_err() {
                break;
            }
        }
        let mut cpu = smp_processor_id();
        for helper in &*helpers {
            let next = online_cpus().find(|next| next.number() > cpu);
            cpu = next
                .or_else(|| online_cpus().next())
                .map_or(cpu, Cpu::number);
            // SAFETY: it stays where it is until its work has ended, below;
            // name and key are static. The queue is live. If the CPU goes
            // offline, the work runs elsewhere or not at all.
            unsafe {
                let work = helper.work();
                bindings::lkm_init_work(
                    work,
                    Some(help),
                    c_str!("lkm_for_each").as_char_ptr(),
                    CLASS.as_ptr(),
                );
                bindings::queue_work_on(cpu as c_int, self.ptr.as_ptr(), work);
            }
        }
        let mut returned = usize::from(threads > 0 && f(0));
        for helper in &*helpers {
            // What has not begun by now is not needed any more. (`f` may have
            // kept a lock under which one must not wait.)
            // SAFETY: initialised above.
            unsafe { bindings::lkm_cancel_work_sync(helper.work()) };
            let by_it = helper.returned.load(Ordering::Relaxed);
            returned = returned.wrapping_add(usize::from(by_it));
        }
        returned
    }
}

/// A thread that helps with a [`Queue::for_each`].
#[repr(C)]
struct Helper<'a> {
    work: Opaque<bindings::work_struct>,
    f: &'a (dyn Fn(usize) -> bool + Sync),
    nth: usize,
    returned: AtomicBool,
}

impl Helper<'_> {
    /// For C to keep: [`help`] finds the whole by it.
    fn work(&self) -> *mut bindings::work_struct {
        let this: *const Self = self;
        // SAFETY: only the address is taken, within `self`.
        Opaque::raw_get(unsafe { core::ptr::addr_of!((*this).work) })
    }
}

/// # Safety
///
/// `work` is from [`Helper::work`], of one that outlives the call.
unsafe extern "C" fn help(work: *mut bindings::work_struct) {
    // SAFETY: by this function's requirement; `Helper` is `repr(C)`.
    let helper = unsafe { &*work.cast::<Helper<'_>>() };
    let returned = (helper.f)(helper.nth);
    helper.returned.store(returned, Ordering::Relaxed);
}

/// The workers of a [`Queue::for_each`].
struct Workers<S>(*mut S);

// SAFETY: it gives each of them to one thread at a time, to which it may be
// sent.
unsafe impl<S: Send> Sync for Workers<S> {}

impl<S> Workers<S> {
    /// # Safety
    ///
    /// `nth` is below the number of workers, which are borrowed meanwhile, and
    /// nobody else has this one.
    #[allow(clippy::mut_from_ref)]
    unsafe fn get(&self, nth: usize) -> &mut S {
        // SAFETY: the caller's promise.
        unsafe { &mut *self.0.add(nth) }
    }
}

/// The items of a [`Queue::for_each`].
///
/// Not a [`Mutex`](crate::sync::Mutex), for which there may be no memory.
///
/// # Invariants
///
/// The lock is initialised. Who accesses the iterator holds it, or is `alone`.
struct Items<I> {
    alone: bool,
    lock: Opaque<bindings::mutex>,
    iterator: UnsafeCell<I>,
}

// SAFETY: the iterator is used by one thread at a time, to which it may be sent.
unsafe impl<I: Send> Sync for Items<I> {}

impl<I: Iterator> Items<I> {
    fn next(&self) -> Option<I::Item> {
        // SAFETY: initialised, by the invariant; unless this is alone, the lock is
        // held while the iterator is used, and released once.
        unsafe {
            if !self.alone {
                MutexBackend::lock(self.lock.get());
            }
            let item = (*self.iterator.get()).next();
            if !self.alone {
                MutexBackend::unlock(self.lock.get(), &());
            }
            item
        }
    }
}

impl Drop for Queue {
    #[cold]
    fn drop(&mut self) {
        if may_sleep() {
            // SAFETY: live by the invariant, and not used again.
            unsafe { bindings::destroy_workqueue(self.ptr.as_ptr()) };
        } else {
            leaked();
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

/// Only the work's function looks at the item.
type Inner<T> = Source<bindings::work_struct, UnsafeCell<T>>;

/// A `work_struct` with its callback's data, for one queue.
///
/// Dropping it cancels it, waits, and drops the data; the work itself cannot
/// do so, as it would wait for itself. See [`new_work!`](crate::new_work!).
///
/// # Invariants
///
/// The C work is put on `queue` alone: two queues would run it at the same time.
/// Only its function accesses the item.
pub struct Work<T: WorkItem> {
    inner: Inner<T>,
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
    #[cold]
    pub fn new(
        queue: Arc<Queue>,
        item: T,
        name: &'static CStr,
        key: &'static LockClassKey,
    ) -> Result<Self> {
        let inner = Source::new(UnsafeCell::new(item), |work| {
            // SAFETY: a `Source` keeps it where it is; name and key are static.
            unsafe {
                bindings::lkm_init_work(work, Some(run::<T>), name.as_char_ptr(), key.as_ptr());
            }
        })?;
        // INVARIANT: on no queue yet.
        Ok(Self { inner, queue })
    }

    /// Has it run, unless it is pending already; any context.
    ///
    /// Whether it was not pending.
    pub fn enqueue(&self) -> bool {
        let (queue, work) = (self.queue.ptr.as_ptr(), self.inner.object());
        // SAFETY: both are live, by their invariants.
        // INVARIANT: the same queue each time.
        !stopped() && unsafe { bindings::lkm_queue_work(queue, work) }
    }

    /// Waits until what was enqueued has run; where one must not sleep, it
    /// returns at once, after a warning. Process context, may sleep; not to be
    /// called from the work itself.
    pub fn flush(&self) {
        if may_sleep() {
            // SAFETY: initialised, by the invariant of `Source`.
            unsafe { bindings::flush_work(self.inner.object()) };
        }
    }
}

// SAFETY: `cancel_work_sync` takes the work off its queue, waits for it if it
// runs, and keeps it from being enqueued meanwhile.
unsafe impl Quiesce for bindings::work_struct {
    unsafe fn quiesce(this: *mut Self) {
        // SAFETY: initialised, by the invariant of `Source`.
        unsafe { bindings::cancel_work_sync(this) };
    }
}

/// # Safety
///
/// `work` is the object of an `Inner<T>`; called by a worker alone.
unsafe extern "C" fn run<T: WorkItem>(work: *mut bindings::work_struct) {
    // SAFETY: by this function's requirement, and a `Source` outlives its callbacks.
    let item = unsafe { Inner::<T>::value_of(work) };
    // SAFETY: nobody but this function looks at it, and no two workers run one
    // work item of one queue at a time.
    unsafe { &mut *item.get() }.run();
}
