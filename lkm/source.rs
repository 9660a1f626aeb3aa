// SPDX-License-Identifier: GPL-2.0

//! Whatever the kernel may call back into: timers, tasklets, work, threads,
//! hotplug states, devices.
//!
//! A [`Source`] owns the C object together with what its callback uses, and
//! dropping it first cancels and waits. But dropping cannot be relied on: safe
//! code may leak a handle with `mem::forget` or in a cycle of [`Arc`]s, and an
//! armed timer would then call into a module that is gone. So all sources of a
//! module are on a list, and [`stop_all`] cancels what is left there before
//! the module's code is freed. What was leaked stays allocated. So does what
//! is dropped where one cannot wait, as in an interrupt.
//!
//! What is armed again and again is a [`Quiesce`]. What is started once and
//! stopped once is a [`Stop`], in a [`Startable`].
//!
//! C part: `lkm/helpers/source.c`.
//!
//! [`Arc`]: crate::sync::Arc

use crate::{
    bindings,
    error::{code::ESHUTDOWN, Result},
    irq::may_sleep,
    str::CStr,
    sync::{Backend, LockClassKey, MutexBackend},
    types::{Opaque, Pinned},
};
use core::{ffi::c_void, marker::PhantomData, ops::Deref, ptr::addr_of, ptr::NonNull};

/// A C object that calls back.
///
/// # Safety
///
/// When [`quiesce`](Self::quiesce) returns, no callback of the object runs,
/// and none will unless the object is armed again. It may be called more than
/// once, and by several threads at a time.
pub(crate) unsafe trait Quiesce {
    /// Cancels and waits; process context, may sleep.
    ///
    /// # Safety
    ///
    /// `this` is the object of a [`Source`], which stays meanwhile.
    unsafe fn quiesce(this: *mut Self);
}

/// The object is the first field: who has a pointer to it that was made of one to
/// the node, as C has, has one to the node.
#[repr(C)]
struct Node<O, T> {
    object: Opaque<O>,
    source: Opaque<bindings::lkm_source>,
    value: T,
}

/// A [`Quiesce`] at a stable address, on the list of the module's sources, and
/// the value that its callbacks use.
///
/// # Invariants
///
/// `node` is from `Pinned::into_raw`. It is on the list, and stays allocated for
/// as long as it is. The object is initialised.
pub(crate) struct Source<O: Quiesce, T> {
    node: NonNull<Node<O, T>>,
    _owns: PhantomData<Node<O, T>>,
}

impl<O: Quiesce, T> Source<O, T> {
    /// Allocates, lets `init` set up the C object in its place, and lists it.
    ///
    /// May sleep. `init` must initialise the object, and must not arm it.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ESHUTDOWN` before the module has begun, and while it is being
    /// unloaded.
    #[cold]
    pub(crate) fn new(value: T, init: impl FnOnce(*mut O)) -> Result<Self> {
        let node = Pinned::new(Node {
            object: Opaque::uninit(),
            source: Opaque::uninit(),
            value,
        })?
        .into_raw();
        let object = Self::object_of(node);
        init(object);
        // SAFETY: the node is allocated, and is freed only once it is off the
        // list again. Nobody else has a pointer to it yet.
        let added = unsafe {
            bindings::lkm_source_add(
                Opaque::raw_get(addr_of!((*node.as_ptr()).source)),
                Some(quiesce::<O>),
                object.cast(),
            )
        };
        if !added {
            // SAFETY: from `into_raw`, and nobody else has it.
            drop(unsafe { Pinned::from_raw(node) });
            return Err(ESHUTDOWN);
        }
        // INVARIANT: it is on the list now.
        Ok(Self {
            node,
            _owns: PhantomData,
        })
    }

    fn object_of(node: NonNull<Node<O, T>>) -> *mut O {
        // SAFETY: only the address is taken, within the node.
        Opaque::raw_get(unsafe { addr_of!((*node.as_ptr()).object) })
    }

    /// The object, for C to keep (upstream: `raw_get`): by it a callback finds the
    /// [value](Self::value_of), as it is made of a pointer to the whole, and not of
    /// a reference to a part.
    #[inline]
    pub(crate) fn object(&self) -> *mut O {
        Self::object_of(self.node)
    }

    /// The value that is there with the object (upstream: `container_of`).
    ///
    /// # Safety
    ///
    /// `object` is from [`object`](Self::object), of a source that stays for `'a`,
    /// as one does while a callback runs.
    #[inline]
    pub(crate) unsafe fn value_of<'a>(object: *mut O) -> &'a T {
        // SAFETY: by this function's requirement; `Node` is `repr(C)`.
        unsafe { &(*object.cast::<Node<O, T>>()).value }
    }

    /// Cancels and waits; process context, may sleep.
    pub(crate) fn quiesce(&self) {
        // SAFETY: it stays while it is borrowed.
        unsafe { O::quiesce(self.object()) };
    }
}

/// # Safety
///
/// `object` is that of a [`Source`] that is on the list.
#[cold]
unsafe extern "C" fn quiesce<O: Quiesce>(object: *mut c_void) {
    // SAFETY: by this function's requirement.
    unsafe { O::quiesce(object.cast()) };
}

impl<O: Quiesce, T> Deref for Source<O, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: allocated, by the invariant.
        unsafe { &(*self.node.as_ptr()).value }
    }
}

impl<O: Quiesce, T> Drop for Source<O, T> {
    #[cold]
    fn drop(&mut self) {
        // Where one cannot wait, it stays on the list.
        if !may_sleep() {
            leaked();
            return;
        }
        self.quiesce();
        // SAFETY: it is on the list, by the invariant. If it was taken off, no
        // callback runs and none can come; it is from `into_raw`, and `self` is
        // never used again. Otherwise `stop_all` is walking the list, and the node
        // is leaked.
        unsafe {
            let source = Opaque::raw_get(addr_of!((*self.node.as_ptr()).source));
            if bindings::lkm_source_del(source) {
                drop(Pinned::from_raw(self.node));
            }
        }
    }
}

/// What is started once and stopped once: a thread, a registration.
///
/// # Safety
///
/// When [`stop`](Self::stop) returns, no callback of the object runs, and none
/// will.
pub(crate) unsafe trait Stop {
    /// Stops it and waits; process context, may sleep.
    ///
    /// # Safety
    ///
    /// `this` is the object of a [`Source`], which stays meanwhile. It was started,
    /// and this is called once.
    unsafe fn stop(this: *mut Self);
}

/// A [`Stop`], as the object of a [`Source`].
///
/// It begins with the `O`, so a pointer to it is one to that.
///
/// # Invariants
///
/// The lock is initialised, and whoever looks at `state` has it.
#[repr(C)]
pub(crate) struct Startable<O> {
    object: O,
    lock: bindings::mutex,
    state: State,
}

/// A startable goes through these in this order.
#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Started,
    Gone,
}

impl<O: Stop, T> Source<Startable<O>, T> {
    /// A source whose object is moved to its place, where it is never dropped; for
    /// [`with_lock_class!`](crate::with_lock_class!). May sleep.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    #[cold]
    pub(crate) fn new_startable(
        object: O,
        value: T,
        name: &'static CStr,
        key: &'static LockClassKey,
    ) -> Result<Self> {
        Self::new(value, |this| {
            // SAFETY: allocated, and nobody else has it. It stays where it is; name
            // and key are static.
            // INVARIANT: all is initialised.
            unsafe {
                core::ptr::addr_of_mut!((*this).object).write(object);
                MutexBackend::init(Startable::lock(this), name, key);
                core::ptr::addr_of_mut!((*this).state).write(State::New);
            }
        })
    }

    /// Has `start` start the object, under the lock: so it is stopped neither before
    /// that nor meanwhile. Process context, may sleep. It is called once.
    ///
    /// # Errors
    ///
    /// What `start` fails with; then nothing is started, and nothing is stopped.
    /// `ESHUTDOWN`, and nothing done, if the module's unloading has come before it.
    #[cold]
    pub(crate) fn start(&self, start: impl FnOnce(*mut O) -> Result) -> Result {
        let this = self.object();
        // SAFETY: initialised, by the invariant of `Source`.
        unsafe {
            Startable::with_state(this, |state| {
                if *state != State::New {
                    return Err(ESHUTDOWN);
                }
                start(this.cast())?;
                *state = State::Started;
                Ok(())
            })
        }
    }
}

impl<O> Startable<O> {
    /// # Safety
    ///
    /// `this` is allocated.
    unsafe fn lock(this: *mut Self) -> *mut bindings::mutex {
        // SAFETY: only the address is taken.
        unsafe { core::ptr::addr_of_mut!((*this).lock) }
    }

    /// Takes the lock for `f`.
    ///
    /// # Safety
    ///
    /// `this` is initialised.
    unsafe fn with_state<R>(this: *mut Self, f: impl FnOnce(&mut State) -> R) -> R {
        // SAFETY: initialised; the lock is held while the state is used, and
        // released once.
        unsafe {
            MutexBackend::lock(Self::lock(this));
            let result = f(&mut (*this).state);
            MutexBackend::unlock(Self::lock(this), &());
            result
        }
    }
}

// SAFETY: by `Stop`, which is asked once, under the lock. Another caller waits for
// that, and then finds it done.
unsafe impl<O: Stop> Quiesce for Startable<O> {
    unsafe fn quiesce(this: *mut Self) {
        // SAFETY: initialised, by the invariant of `Source`; started and not stopped
        // yet, by the state.
        unsafe {
            Self::with_state(this, |state| {
                if *state == State::Started {
                    O::stop(this.cast());
                }
                *state = State::Gone;
            });
        }
    }
}

/// Says that the module has begun: from now on, sources may be made and armed.
/// Only [`module!`](crate::module!) does, which also sees to it that
/// [`stop_all`] comes before the module's code is freed.
#[inline]
pub(crate) fn start() {
    // SAFETY: always allowed.
    unsafe { bindings::lkm_sources_start() };
}

/// Whether the module is being unloaded, or has not begun: then nothing may be
/// armed.
#[inline]
pub(crate) fn stopped() -> bool {
    // SAFETY: always allowed.
    unsafe { bindings::lkm_sources_stopped() }
}

/// Cancels every source of this module that was not dropped, for good.
///
/// After this no callback of the module runs or will run. Process context,
/// may sleep.
#[cold]
pub(crate) fn stop_all() {
    // SAFETY: every source on the list is a whole one, by its invariant.
    unsafe { bindings::lkm_sources_stop() };
}

/// Counts a handle that cannot be dropped where it is, as one must not sleep.
pub(crate) fn leaked() {
    // SAFETY: always allowed.
    unsafe { bindings::lkm_leaked() };
}

/// Says in the log how many handles were [`leaked`], if any were.
#[cold]
pub(crate) fn report_leaked() {
    // SAFETY: always allowed.
    unsafe { bindings::lkm_report_leaked() };
}
