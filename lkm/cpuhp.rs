// SPDX-License-Identifier: GPL-2.0

//! CPU hotplug: being told when a CPU comes online and before it goes offline.
//!
//! C header: `include/linux/cpuhotplug.h`.

use crate::{
    bindings,
    cpumask::Cpu,
    error::{code::EINVAL, to_result, Result},
    source::{stopped, Source, Startable, Stop},
    str::CStr,
    with_lock_class,
};
use core::{
    ffi::{c_int, c_uint},
    mem::MaybeUninit,
    ptr::addr_of_mut,
};

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
    _inner: Inner<T>,
}

// SAFETY: C has locks for it, and the callback is `Send` and `Sync`.
unsafe impl<T: HotplugCallback> Send for HotplugState<T> {}
// SAFETY: as above.
unsafe impl<T: HotplugCallback> Sync for HotplugState<T> {}

type Inner<T> = Source<Startable<Instance>, T>;

/// # Invariants
///
/// Once it is started, `node` is an instance of the C state whose number `state`
/// is, which has no other, until it is stopped.
#[repr(C)]
struct Instance {
    node: MaybeUninit<bindings::hlist_node>,
    state: c_int,
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
    #[cold]
    pub fn setup(name: &'static CStr, callback: T) -> Result<Self> {
        // Earlier 6.1 writes all names to one page, and does not look for its end.
        if name.as_bytes().len() > 64 {
            return Err(EINVAL);
        }
        let instance = Instance {
            node: MaybeUninit::uninit(),
            state: 0,
        };
        let inner: Inner<T> =
            with_lock_class!(Source::new_startable, (instance, callback), "lkm_cpuhp")?;
        inner.start(|instance| {
            // SAFETY: the node stays where it is until the state is removed, and
            // so does the name. The functions are called with this node alone.
            let state = unsafe {
                bindings::lkm_cpuhp_setup(
                    name.as_char_ptr(),
                    instance.cast(),
                    Some(online::<T>),
                    Some(offline::<T>),
                )
            };
            to_result(state)?;
            // SAFETY: nobody else looks at it.
            // INVARIANT: just set up, for this node.
            unsafe { addr_of_mut!((*instance).state).write(state) };
            Ok(())
        })?;
        Ok(Self { _inner: inner })
    }
}

// SAFETY: to remove a C state waits for a hotplug that is going on, calls
// `offline`, and takes the node away, so that nothing is called after it.
unsafe impl Stop for Instance {
    unsafe fn stop(this: *mut Self) {
        // SAFETY: it is set up, by the invariant.
        unsafe { bindings::lkm_cpuhp_remove((*this).state, this.cast()) };
    }
}

/// The callback of the state that `node` is of, and the CPU.
///
/// # Safety
///
/// `node` is the first field of the object of an `Inner<T>`; called in a
/// callback of the hotplug core, of a CPU that is possible.
unsafe fn called<'a, T: HotplugCallback>(
    cpu: c_uint,
    node: *mut bindings::hlist_node,
) -> (&'a T, Cpu) {
    // SAFETY: by this function's requirement, and a `Source` outlives its
    // callbacks; what is around the node is `repr(C)`.
    unsafe {
        let callback = Inner::<T>::value_of(node.cast());
        (callback, Cpu::from_number_unchecked(cpu))
    }
}

/// # Safety
///
/// Called by the hotplug core alone, as [`called`] asks.
unsafe extern "C" fn online<T: HotplugCallback>(
    cpu: c_uint,
    node: *mut bindings::hlist_node,
) -> c_int {
    // SAFETY: this function's requirement.
    let (callback, cpu) = unsafe { called::<T>(cpu, node) };
    match callback.online(cpu) {
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
    let (callback, cpu) = unsafe { called::<T>(cpu, node) };
    callback.offline(cpu);
    0
}
