// SPDX-License-Identifier: GPL-2.0

//! Sharing between threads, and between threads and interrupts.
//!
//! | who waits | for | under it | see |
//! | --- | --- | --- | --- |
//! | sleeps | everybody | one may sleep | [`Mutex`] |
//! | sleeps, until a signal comes if it likes | everybody, for long | one may sleep | [`Semaphore`] |
//! | sleeps | writers wait for all, readers for writers | one may sleep | [`RwSemaphore`] |
//! | spins | everybody | one must not sleep | [`SpinLock`] for threads, [`SpinLockIrq`] for any context |
//! | readers never | writers, for readers to end | a reader must not sleep | [`rcu`] |
//! | nobody | | it lives for as long as one refers to it | [`Arc`] |
//!
//! A lock lends its data to a closure ([`Lock::with`]), or to whoever has a [`Guard`]
//! of it. What is lent to a closure cannot be leaked.

mod arc;
mod lock;
mod mutex;
pub mod rcu;
mod refcount;
mod rwsem;
mod semaphore;
mod spinlock;
mod wait_queue;

pub use arc::{Arc, ArcBorrow};
pub use lock::{Backend, Guard, Lock, LockClassKey};
pub use mutex::{Mutex, MutexBackend};
pub use refcount::Refcount;
pub use rwsem::{ReadGuard, RwSemaphore, WriteGuard};
pub use semaphore::{Semaphore, SemaphoreBackend};
pub use spinlock::{SpinLock, SpinLockBackend, SpinLockIrq, SpinLockIrqBackend};
pub use wait_queue::WaitQueue;

#[doc(inline)]
pub use crate::{
    new_mutex, new_rcu_pointer, new_rwsem, new_semaphore, new_spinlock, new_spinlock_irq,
    new_wait_queue,
};
