// SPDX-License-Identifier: GPL-2.0

//! Sharing between threads, and between threads and interrupts.

mod arc;
mod lock;
mod mutex;
mod spinlock;
mod wait_queue;

pub use arc::Arc;
pub use lock::{Backend, Guard, Lock, LockClassKey};
pub use mutex::{Mutex, MutexBackend};
pub use spinlock::{SpinLock, SpinLockBackend, SpinLockIrq, SpinLockIrqBackend};
pub use wait_queue::WaitQueue;

#[doc(inline)]
pub use crate::{new_mutex, new_spinlock, new_spinlock_irq, new_wait_queue};
