// SPDX-License-Identifier: GPL-2.0

//! Kernel threads.
//!
//! C header: `include/linux/kthread.h`.
//!
//! ```text
//!           spawn            the scheduler            run returns
//!   (none) ───────> runnable ────────────> running ────────────────> ended
//!                      │                    │   ^
//!                      │ stop               └───┘ sleep, which a stop ends
//!                      v
//!                    ended, without having run
//! ```
//!
//! To stop a thread is to tell it so and to wait until it has ended.

use crate::{
    bindings,
    cpumask::Cpu,
    error::{to_result, Result},
    irq::may_sleep,
    source::{Source, Startable, Stop},
    str::CStr,
    time::Delta,
    with_lock_class,
};
use core::{
    cell::UnsafeCell,
    ffi::{c_int, c_void},
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::null_mut,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
};

/// What a [`KThread`] calls.
pub trait KThreadCallback: Send + 'static {
    /// What the thread does; process context, may sleep. It is called once, or
    /// not at all if the thread is stopped before it has begun.
    ///
    /// It has to return soon after `thread` says that it should stop, as
    /// somebody waits for that; a stop also ends
    /// [`WaitQueue::wait_interruptible`](crate::sync::WaitQueue::wait_interruptible),
    /// as a signal does. It may return before, too.
    fn run(&mut self, thread: &Context);
}

/// The thread that runs a [`KThreadCallback`], as it sees itself.
///
/// # Invariants
///
/// Only that thread has a reference: it is not `Sync`, and cannot be kept.
pub struct Context {
    /// The CPU that the thread is bound to.
    cpu: Option<Cpu>,
    /// Whether the thread has dropped its own handle.
    abandoned: AtomicBool,
    _not_sync: PhantomData<*mut ()>,
}

impl Context {
    /// Whether somebody waits for the thread's end.
    pub fn should_stop(&self) -> bool {
        // SAFETY: this is a kernel thread, by the invariant.
        self.abandoned.load(Ordering::Relaxed) || unsafe { bindings::kthread_should_stop() }
    }

    /// Sleeps for this long at least, in whole ticks, or until the thread
    /// should stop. Whether it is to go on: `while thread.sleep(delay) { … }`.
    ///
    /// A reader of RCU does not sleep here, and the kernel warns.
    #[must_use = "a thread that should stop has to return"]
    pub fn sleep(&self, delay: Delta) -> bool {
        if !self.should_stop() && may_sleep() {
            // SAFETY: this is a kernel thread, by the invariant, and may sleep.
            unsafe { bindings::lkm_kthread_sleep(delay.as_jiffies_ceil()) };
            if let Some(cpu) = self.cpu {
                // SAFETY: this is the kernel thread that is bound to it.
                unsafe { bindings::lkm_kthread_return_to(cpu.number()) };
            }
        }
        !self.should_stop()
    }
}

/// # Invariants
///
/// It is null, or the thread, to which this has a reference. It is not null once
/// the thread is started and until it is stopped.
struct Task(AtomicPtr<bindings::task_struct>);

/// What the thread has. Only the thread looks at the callback.
struct Data<T> {
    context: Context,
    callback: UnsafeCell<T>,
}

type Inner<T> = Source<Startable<Task>, Data<T>>;

/// A kernel thread with its callback's data.
///
/// Dropping it stops the thread, waits until it has ended, and drops the data.
/// A thread that drops its own handle cannot wait for itself: it is told to
/// stop, and what it has is leaked. Two threads that drop each other's handle
/// wait for ever.
///
/// # Invariants
///
/// Only the thread accesses the callback.
pub struct KThread<T: KThreadCallback> {
    inner: ManuallyDrop<Inner<T>>,
}

// SAFETY: the C thread may be stopped by any other, and the data, which may be
// sent to where it is used and dropped, is never shared.
unsafe impl<T: KThreadCallback> Send for KThread<T> {}
// SAFETY: as above.
unsafe impl<T: KThreadCallback> Sync for KThread<T> {}

impl<T: KThreadCallback> KThread<T> {
    /// Starts a thread of this name, of which ps(1) may show only the first 15
    /// bytes. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, always so where one must not sleep; `EAGAIN` if there are too
    /// many threads; `EINTR` if the caller is killed; `ESHUTDOWN` while the
    /// module is being unloaded.
    pub fn spawn(name: &'static CStr, callback: T) -> Result<Self> {
        Self::start(None, name, callback)
    }

    /// Starts a thread `name/N` that runs on CPU N alone. May sleep.
    ///
    /// A CPU that goes offline while it has such a thread sends it elsewhere,
    /// and so does one that is offline already. From when a CPU goes to where
    /// [`crate::cpuhp`] calls back, the thread may run elsewhere, too; what must
    /// not looks where it is, in
    /// [`with_preempt_disabled`](crate::percpu::with_preempt_disabled). If the
    /// CPU does not go after all, [`Context::sleep`] brings the thread back.
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Self::spawn).
    pub fn spawn_on(cpu: Cpu, name: &'static CStr, callback: T) -> Result<Self> {
        Self::start(Some(cpu), name, callback)
    }

    #[cold]
    fn start(cpu: Option<Cpu>, name: &'static CStr, callback: T) -> Result<Self> {
        // INVARIANT: no thread yet.
        let task = Task(AtomicPtr::new(null_mut()));
        let data = Data {
            context: Context {
                cpu,
                abandoned: AtomicBool::new(false),
                _not_sync: PhantomData,
            },
            callback: UnsafeCell::new(callback),
        };
        let inner: Inner<T> = with_lock_class!(Source::new_startable, (task, data), "lkm_kthread")?;
        inner.start(|this| {
            let mut task = null_mut();
            // SAFETY: `run` is given what it asks for, and the CPU is possible or
            // none. C copies the name.
            to_result(unsafe {
                bindings::lkm_kthread_create(
                    &mut task,
                    Some(run::<T>),
                    this.cast(),
                    cpu.map_or(-1, |cpu| cpu.number() as c_int),
                    name.as_char_ptr(),
                )
            })?;
            // SAFETY: initialised; a thread that waits to be started.
            // INVARIANT: just made, with a reference.
            unsafe {
                (*this).0.store(task, Ordering::Relaxed);
                bindings::wake_up_process(task);
            }
            Ok(())
        })?;
        Ok(Self {
            inner: ManuallyDrop::new(inner),
        })
    }
}

impl<T: KThreadCallback> Drop for KThread<T> {
    #[cold]
    fn drop(&mut self) {
        let task: *mut Task = self.inner.object().cast();
        // SAFETY: the object begins with a `Task`, and the source stays. The task is
        // compared, and not used. It is not another's: the thread has one of its own
        // until it has been waited for.
        if unsafe { bindings::lkm_is_current((*task).0.load(Ordering::Relaxed)) } {
            // `stop_all` waits for it, for it stays on the list.
            self.inner.context.abandoned.store(true, Ordering::Relaxed);
            return;
        }
        // SAFETY: `self` is never used again.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
    }
}

// SAFETY: `kthread_stop` waits until the thread has ended, also if it is ending
// by itself; one that has not begun never does. There is no second thread.
unsafe impl Stop for Task {
    unsafe fn stop(this: *mut Self) {
        // SAFETY: the thread, by the invariant, with a reference that is given up.
        // This is called once, as C asks: what the thread's end signals is used up
        // by it.
        // INVARIANT: the pointer goes before the reference.
        unsafe {
            let task = (*this).0.load(Ordering::Relaxed);
            bindings::kthread_stop(task);
            (*this).0.store(null_mut(), Ordering::Relaxed);
            bindings::lkm_put_task_struct(task);
        }
    }
}

/// # Safety
///
/// `data` is the object of an `Inner<T>`; called once, by its thread alone.
unsafe extern "C" fn run<T: KThreadCallback>(data: *mut c_void) -> c_int {
    // SAFETY: by this function's requirement, and a `Source` outlives its callbacks.
    let data = unsafe { Inner::<T>::value_of(data.cast()) };
    // SAFETY: nobody but this thread looks at it, and it does so once.
    unsafe { &mut *data.callback.get() }.run(&data.context);
    0
}
