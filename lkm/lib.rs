// SPDX-License-Identifier: GPL-2.0

//! Linux kernel modules for 6.1, in safe Rust.
//!
//! The `kernel` crate of 6.1 can print and can be a module. This crate is the
//! rest: one file for each facility of the kernel, with the names that the
//! kernel has for it. Modules use it and need no `unsafe`; nothing that safe
//! code does with it can corrupt memory, be it that a handle is leaked or
//! that the module is unloaded while a timer is armed.
//!
//! | for | see |
//! | --- | --- |
//! | a module and its parameters | [`module!`], [`moduleparam`] |
//! | the log, errors, C strings | [`print`], [`error`], [`str`] |
//! | sharing: locks, references, RCU, waiting | [`sync`] |
//! | queues | [`kfifo`], [`ring`] |
//! | time, and being called back in time | [`time`], [`timer`], [`hrtimer`] |
//! | work for after an interrupt, or for a thread | [`tasklet`], [`workqueue`] |
//! | threads of one's own | [`kthread`] |
//! | CPUs, what each has for itself, their coming and going | [`cpumask`], [`percpu`], [`cpuhp`] |
//! | large arrays, and sorting | [`kvec`], [`sort`] |
//! | a node under /dev, its files, user memory | [`miscdevice`], [`fs`], [`uaccess`] |
//! | values and their bytes | [`transmute`] |
//! | interrupts, the running thread | [`irq`], [`task`] |
//!
//! Locks, timers, devices and the like are handles: what the kernel points to
//! is on the heap and stays where it is, so a handle may be moved. Dropping one
//! cancels what it stands for, waits, and frees it.
//!
//! There are two things that safe code must not do and can. One is to panic.
//! That is a `BUG()`, which kills the thread and leaves everything as it was,
//! but for the thread itself, which goes: a wait queue that it was on, and those who
//! work for it by [`Queue::for_each`](workqueue::Queue::for_each), still use its
//! stack, and who waits for a lock that it has by [`Lock::with`](sync::Lock::with)
//! looks at it, as they do in C (in the lab, it ends the guest). `make check-panics`
//! makes sure that no module has a panic in it. The other is to use more than the few kilobytes of stack that a
//! thread has; with `CONFIG_VMAP_STACK`, as in the lab, that is a fault, too.
//!
//! What sleeps, to allocate among it, is refused where one must not: in an
//! interrupt, with interrupts off, under a spin lock, to a reader of RCU. The
//! first that tries is warned of; a mutex is spun for, and cannot be had by an
//! interrupt, which spins for ever. A handle that is dropped
//! there is leaked, and what it stands for goes on until the module is
//! unloaded, when the log says how many there were. (A kernel without
//! `CONFIG_PREEMPT_COUNT` does not count spin locks; there, `lkm` counts its own.)
//!
//! It is linked into each module, so what is `static` here is per module. What
//! not every module needs is generic or `#[inline]`, so that only those that use
//! it carry it.

#[cfg(not(CONFIG_SMP))]
compile_error!(
    "lkm needs CONFIG_SMP: without it a spin lock does not exclude interrupts of its own CPU"
);
#[cfg(CONFIG_PREEMPT_RT)]
compile_error!("lkm does not know PREEMPT_RT, where locks that spin become locks that sleep");
#[cfg(not(CONFIG_MODULE_UNLOAD))]
compile_error!("lkm needs CONFIG_MODULE_UNLOAD: it counts on the module's reference count");

// bindgen's, for what this crate names in lkm/bindgen_parameters.
#[allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]
mod bindings {
    include!(env!("LKM_BINDINGS"));
}

pub mod cpuhp;
pub mod cpumask;
#[cfg(CONFIG_DYNAMIC_DEBUG)]
#[doc(hidden)]
pub mod dynamic_debug;
pub mod error;
pub mod fs;
pub mod hrtimer;
pub mod irq;
pub mod kfifo;
pub mod kthread;
pub mod kvec;
pub mod miscdevice;
pub mod module;
pub mod moduleparam;
pub mod percpu;
pub mod prelude;
pub mod print;
pub mod ring;
pub mod sort;
mod source;
pub mod str;
pub mod sync;
pub mod task;
pub mod tasklet;
pub mod time;
pub mod timer;
pub mod transmute;
mod types;
pub mod uaccess;
pub mod workqueue;

// For macros: in a module, `::core` may be whatever it says.
#[doc(hidden)]
pub use core as __core;

pub use error::{Error, Result};
pub use module::{Module, ThisModule};
