// SPDX-License-Identifier: GPL-2.0

//! CPU hotplug: being told when a CPU comes online and before it goes offline.
//!
//! C header: `include/linux/cpuhotplug.h`.

use crate::{
    bindings,
    cpumask::Cpu,
    error::{
        code::{EINVAL, ESHUTDOWN},
        to_result, Result,
    },
    new_mutex,
    source::{stopped, Quiesce, Source},
    str::CStr,
    sync::Mutex,
    types::Opaque,
};
use core::ffi::{c_int, c_uint};

/// What a [`HotplugState`] calls.
///
/// Both functions are called by a kernel thread of the CPU that they are about,
/// in process context, and may sleep. Hotplug waits meanwhile, so neither may
/// make or drop a [`HotplugState`], nor make an unbound
/// [`Queue`](crate::workqueue::Queue): that would wait for itself.
pub trait HotplugCallback: Send + Sync + 'static {
    /// A CPU has come online: it runs threads of the kernel, but no others yet.
    ///
    /// # Errors
    ///
    /// An error keeps the CPU offline, or the state from being set up; whatever
    /// was done here is to be undone first. (While the module is being
    /// unloaded, errors are ignored.)
    fn online(&self, cpu: Cpu) -> Result;

    /// A CPU is about to go offline, or the state ends: the opposite of an
    /// `online` that has succeeded, or, while the module is being unloaded, of
    /// one whose error was ignored. If the CPU cannot go after all, there is
    /// another `online`.
    fn offline(&self, cpu: Cpu);
}

/// A state of CPU hotplug: each online CPU is in it.
///
/// Dropping it calls `offline` for each CPU that is online.
pub struct HotplugState<T: HotplugCallback> {
    _inner: Source<Inner<T>>,
}

// SAFETY: C has locks for it, and the callback is `Send` and `Sync`.
unsafe impl<T: HotplugCallback> Send for HotplugState<T> {}
// SAFETY: as above.
unsafe impl<T: HotplugCallback> Sync for HotplugState<T> {}

/// # Invariants
///
/// `node` is an instance of the C state whose number `state` has, which has no
/// other; if it has none, no C state knows `node`.
#[repr(C)]
struct Inner<T> {
    node: Opaque<bindings::hlist_node>,
    state: Mutex<State>,
    callback: T,
}

/// A state goes through these in this order.
enum State {
    New,
    SetUp(c_int),
    Gone,
}

impl<T: HotplugCallback> HotplugState<T> {
    /// Calls `online` for each CPU that is online, and from then on for each
    /// that comes. May sleep.
    ///
    /// The name, of at most 64 bytes, is for
    /// `/sys/devices/system/cpu/hotplug/states`, and by custom ends in `:online`.
    ///
    /// # Errors
    ///
    /// The first that `online` returns, after `offline` was called for those
    /// for which it had succeeded. `EINVAL` for a longer name; `ENOMEM`, always so where one must not sleep;
    /// `ENOSPC`, and a warning of the kernel's, if all of the kernel's 31
    /// states for modules are taken; `ESHUTDOWN` while the module is being
    /// unloaded.
    pub fn setup(name: &'static CStr, callback: T) -> Result<Self> {
        // Earlier 6.1 writes all names to one page, and does not look for its end.
        if name.as_bytes().len() > 64 {
            return Err(EINVAL);
        }
        let inner = Inner {
            node: Opaque::uninit(),
            state: new_mutex!(State::New, "lkm_cpuhp")?,
            callback,
        };
        let inner = Source::new(inner, |_| ())?;
        let mut state = inner.state.lock();
        if !matches!(*state, State::New) {
            // The module's unloading has come in between.
            return Err(ESHUTDOWN);
        }
        // SAFETY: the node stays where it is until the state is removed, and
        // so does the name. The functions are called with this node alone.
        let number = unsafe {
            bindings::lkm_cpuhp_setup(
                name.as_char_ptr(),
                inner.node.get(),
                Some(online::<T>),
                Some(offline::<T>),
            )
        };
        to_result(number)?;
        // INVARIANT: just set up, for this node.
        *state = State::SetUp(number);
        drop(state);
        Ok(Self { _inner: inner })
    }
}

// SAFETY: to remove a C state waits for a hotplug that is going on, calls
// `offline`, and takes the node away, so that nothing is called after it.
// Another caller waits for the lock, and then finds it done.
unsafe impl<T: HotplugCallback> Quiesce for Inner<T> {
    fn quiesce(&self) {
        let mut state = self.state.lock();
        if let State::SetUp(number) = *state {
            // SAFETY: it is set up, by the invariant.
            unsafe { bindings::lkm_cpuhp_remove(number, self.node.get()) };
        }
        // INVARIANT: just removed, or never set up.
        *state = State::Gone;
    }
}

/// The state that `node` is of, and the CPU.
///
/// # Safety
///
/// `node` is the first field of an `Inner<T>` in a `Source`; called in a
/// callback of the hotplug core, of a CPU that is possible.
unsafe fn called<'a, T: HotplugCallback>(
    cpu: c_uint,
    node: *mut bindings::hlist_node,
) -> (&'a Inner<T>, Cpu) {
    // SAFETY: by this function's requirement, and a `Source` outlives its
    // callbacks; `Inner` is `repr(C)`.
    unsafe { (&*node.cast::<Inner<T>>(), Cpu::from_number_unchecked(cpu)) }
}

/// # Safety
///
/// Called by the hotplug core alone, as [`called`] asks.
unsafe extern "C" fn online<T: HotplugCallback>(
    cpu: c_uint,
    node: *mut bindings::hlist_node,
) -> c_int {
    // SAFETY: this function's requirement.
    let (inner, cpu) = unsafe { called::<T>(cpu, node) };
    match inner.callback.online(cpu) {
        Err(error) if !stopped() => error.to_errno(),
        // Nothing can be made any more once the module is being unloaded, and
        // that is no reason for a CPU not to come.
        _ => 0,
    }
}

/// # Safety
///
/// As for [`online`].
unsafe extern "C" fn offline<T: HotplugCallback>(
    cpu: c_uint,
    node: *mut bindings::hlist_node,
) -> c_int {
    // SAFETY: this function's requirement.
    let (inner, cpu) = unsafe { called::<T>(cpu, node) };
    inner.callback.offline(cpu);
    0
}
