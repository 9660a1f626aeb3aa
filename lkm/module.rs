// SPDX-License-Identifier: GPL-2.0

//! A module's life: what [`module!`] makes of a type.
//!
//! C header: `include/linux/module.h`.

use crate::{bindings, error::Result, source, this_module_ptr};
use core::{cell::UnsafeCell, ffi::c_int};

pub use kernel::ThisModule;

#[doc(hidden)]
pub use kernel::bindings::__this_module;

/// What a module is: the value that lives from insmod to rmmod.
///
/// Its [`Drop`] is the module's exit. Fields are dropped in the order in which
/// they are declared, so what makes events comes before what they need.
pub trait Module: Sized + Send + Sync + 'static {
    /// Called once, at insmod; process context, may sleep.
    ///
    /// # Errors
    ///
    /// An error is what insmod fails with. Whatever was made until then is
    /// dropped first. If a node was there and somebody has opened it, insmod
    /// waits until it is closed, and cannot be killed; timers are stopped by
    /// then, so a reader that waits for one has to be sent a signal.
    fn init(module: &'static ThisModule) -> Result<Self>;
}

/// What `init_module` returns: 0 or `-E`.
///
/// A module has no feature, and may not name C's `int` itself.
#[doc(hidden)]
pub type Status = c_int;

/// The place where a loaded module's value lives.
///
/// # Invariants
///
/// Only [`init`](Self::init) and [`exit`](Self::exit) touch the value, and the
/// kernel calls them once each, one after the other.
#[doc(hidden)]
pub struct Slot<M>(UnsafeCell<Option<M>>);

// SAFETY: by the invariant nothing accesses the value at the same time, and
// `Module` asks for `Send`, so that init and exit may be different threads.
unsafe impl<M: Module> Sync for Slot<M> {}

impl<M: Module> Slot<M> {
    #[allow(missing_docs, clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Makes the module's value, or cleans up after a failure to do so.
    ///
    /// # Safety
    ///
    /// Called by `init_module` alone, once.
    pub unsafe fn init(&'static self) -> Status {
        source::start();
        match M::init(&THIS_MODULE) {
            Ok(value) => {
                // Not assigned, which would drop what is there: nothing is.
                // SAFETY: by the invariant nobody else looks at the value now.
                unsafe { self.0.get().write(Some(value)) };
                0
            }
            Err(error) => {
                source::stop_all();
                wait_for_openers();
                // A file operation may have armed something meanwhile.
                source::stop_all();
                source::report_leaked();
                error.to_errno()
            }
        }
    }

    /// Drops the module's value.
    ///
    /// # Safety
    ///
    /// Called by `cleanup_module` alone, once, after a successful `init`.
    pub unsafe fn exit(&'static self) {
        // SAFETY: by the invariant nobody else looks at the value now.
        drop(unsafe { (*self.0.get()).take() });
        // For what safe code leaked: it may still be armed.
        source::stop_all();
        source::report_leaked();
    }
}

/// Waits until no file of this module is open.
///
/// The kernel frees a module whose init has failed without a look at its
/// reference count, but a node may have been opened in the moment for which
/// it was there. No more can come: its registration is gone by now. insmod
/// does not return before those who have opened it have closed it.
fn wait_for_openers() {
    let module = this_module_ptr!();
    // SAFETY: this module's own `struct module`, which outlives its code; the
    // count has one reference for the init that is running.
    while unsafe { bindings::module_refcount(module) } > 1 {
        // SAFETY: module init is process context, where one may sleep.
        unsafe { bindings::msleep(10) };
    }
}

/// `THIS_MODULE`: the module that this copy of `lkm` is linked into.
///
/// A macro, because neither a constant nor a `const fn` may name a static.
#[doc(hidden)]
#[macro_export]
macro_rules! this_module_ptr {
    () => {
        // SAFETY: only the address is taken; the linker makes this symbol the
        // module's own structure.
        unsafe { $crate::__core::ptr::addr_of!($crate::module::__this_module) as *mut _ }
    };
}

static THIS_MODULE: ThisModule = {
    let module = this_module_ptr!();
    // SAFETY: the right one.
    unsafe { ThisModule::from_ptr(module) }
};

/// Copies a string into an array, for sections that hold bytes.
#[doc(hidden)]
pub const fn bytes<const N: usize>(s: &str) -> [u8; N] {
    let mut array = [0; N];
    let mut i = 0;
    while i < N {
        array[i] = s.as_bytes()[i];
        i += 1;
    }
    array
}

/// One `key=value` of a module's `.modinfo`.
#[doc(hidden)]
#[macro_export]
macro_rules! modinfo {
    ($($part:expr),+) => {
        const _: () = {
            const __INFO: &$crate::__core::primitive::str = $crate::__core::concat!($($part,)+ "\0");
            #[link_section = ".modinfo"]
            #[used]
            static __BYTES: [$crate::__core::primitive::u8; __INFO.len()] = $crate::module::bytes(__INFO);
        };
    };
}

/// Declares the module of this file.
///
/// `type` implements [`Module`]; `name` is that of the .ko, and begins every
/// line that the module prints. All keys are needed, in this order, but for
/// `params` and a parameter's `range`. Parameters are read with `.value()`; see
/// [`crate::moduleparam`] for their types.
///
/// ```ignore
/// module! {
///     type: Hello,
///     name: "hello",
///     author: "rlkm",
///     description: "Greets",
///     license: "GPL",
///     params: {
///         times: u32 {
///             default: 1,
///             range: 1..=100,
///             permissions: 0o444,
///             description: "how often to greet",
///         },
///     },
/// }
///
/// let n = module_parameters::times.value();
/// ```
#[macro_export]
macro_rules! module {
    (
        type: $type:ty,
        name: $name:literal,
        author: $author:literal,
        description: $description:literal,
        license: $license:literal
        $(, params: { $($param:ident: $ptype:tt { $($attributes:tt)* }),* $(,)? })?
        $(,)?
    ) => {
        /// The name of this module.
        const __MODULE_NAME: &$crate::str::CStr = $crate::c_str!($name);
        /// What every line that this module prints begins with.
        const __LOG_PREFIX: &$crate::str::CStr = $crate::c_str!($crate::__core::concat!($name, ": "));

        $crate::modinfo!("author=", $author);
        $crate::modinfo!("description=", $description);
        $crate::modinfo!("license=", $license);

        $(
            /// The parameters of this module.
            mod module_parameters {
                $($crate::module_param!($param: $ptype, $($attributes)*);)*
            }
        )?

        const _: () = {
            static __SLOT: $crate::module::Slot<$type> = $crate::module::Slot::new();

            #[cold]
            #[no_mangle]
            extern "C" fn init_module() -> $crate::module::Status {
                // SAFETY: the kernel calls this once, at insmod.
                unsafe { $crate::module::Slot::<$type>::init(&__SLOT) }
            }

            #[cold]
            #[no_mangle]
            extern "C" fn cleanup_module() {
                // SAFETY: the kernel calls this once, at rmmod, after init.
                unsafe { $crate::module::Slot::<$type>::exit(&__SLOT) }
            }
        };
    };
}
