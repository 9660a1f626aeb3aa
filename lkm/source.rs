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
//! C part: `lkm/helpers/source.c`.
//!
//! [`Arc`]: crate::sync::Arc

use crate::{
    bindings,
    error::{code::ESHUTDOWN, Result},
    irq::may_sleep,
    types::{Opaque, Pinned},
};
use core::{mem::ManuallyDrop, ops::Deref};

/// A C object that calls back.
///
/// # Safety
///
/// When [`quiesce`](Self::quiesce) returns, no callback of the object runs,
/// and none will unless the object is armed again. It may be called more than
/// once, and by several threads at a time.
pub(crate) unsafe trait Quiesce {
    /// Cancels and waits; process context, may sleep.
    fn quiesce(&self);
}

#[repr(C)]
struct Node<T> {
    source: Opaque<bindings::lkm_source>,
    value: T,
}

/// A [`Quiesce`] at a stable address, on the list of the module's sources.
///
/// # Invariants
///
/// The node is on the list, and stays allocated for as long as it is.
pub(crate) struct Source<T: Quiesce> {
    node: ManuallyDrop<Pinned<Node<T>>>,
}

impl<T: Quiesce> Source<T> {
    /// Allocates, lets `init` set up the C object in its place, and lists it.
    ///
    /// May sleep. `init` must not arm it.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ESHUTDOWN` while the module is being unloaded.
    pub(crate) fn new(value: T, init: impl FnOnce(&T)) -> Result<Self> {
        let node = Pinned::new(Node {
            source: Opaque::uninit(),
            value,
        })?;
        init(&node.value);
        let source = node.source.get();
        // SAFETY: the node is allocated, and is freed only once it is off the
        // list again. Nobody else has a pointer to it yet.
        unsafe {
            core::ptr::addr_of_mut!((*source).quiesce).write(Some(quiesce::<T>));
            if !bindings::lkm_source_add(source) {
                return Err(ESHUTDOWN);
            }
        }
        // INVARIANT: it is on the list now.
        Ok(Self {
            node: ManuallyDrop::new(node),
        })
    }
}

/// # Safety
///
/// `source` is the first field of a `Node<T>` that is on the list.
unsafe extern "C" fn quiesce<T: Quiesce>(source: *mut bindings::lkm_source) {
    // SAFETY: by this function's requirement; `Node` is `repr(C)`.
    unsafe { (*source.cast::<Node<T>>()).value.quiesce() }
}

impl<T: Quiesce> Deref for Source<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.node.value
    }
}

impl<T: Quiesce> Drop for Source<T> {
    fn drop(&mut self) {
        // Where one cannot wait, it stays on the list.
        if !may_sleep() {
            return;
        }
        self.quiesce();
        // SAFETY: it is on the list, by the invariant.
        if unsafe { bindings::lkm_source_del(self.node.source.get()) } {
            // SAFETY: `self` is never used again. No callback runs, none can
            // come, and the node is off the list.
            unsafe { ManuallyDrop::drop(&mut self.node) };
        }
        // Otherwise `stop_all` is walking the list, and the node is leaked.
    }
}

/// Whether the module is being unloaded: then nothing may be armed any more.
#[inline]
pub(crate) fn stopped() -> bool {
    // SAFETY: always allowed.
    unsafe { bindings::lkm_sources_stopped() }
}

/// Cancels every source of this module that was not dropped, for good.
///
/// After this no callback of the module runs or will run. Process context,
/// may sleep.
pub(crate) fn stop_all() {
    // SAFETY: every source on the list is a whole one, by its invariant.
    unsafe { bindings::lkm_sources_stop() };
}
