// SPDX-License-Identifier: GPL-2.0

//! What the modules that try promises have in common.

use lkm::{
    new_spinlock_irq, new_wait_queue,
    prelude::*,
    sync::{Arc, SpinLockIrq, WaitQueue},
};

/// Says which promise was broken, and fails.
macro_rules! check {
    ($condition:expr) => {
        if !$condition {
            pr_err!("broken at line {}: {}\n", line!(), stringify!($condition));
            return Err(EPROTO);
        }
    };
}

/// What callbacks have in common.
pub(crate) struct Counters {
    pub(crate) ticks: SpinLockIrq<u64>,
    pub(crate) moved: WaitQueue,
}

impl Counters {
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::try_new(Counters {
            ticks: new_spinlock_irq!(0, "test_ticks")?,
            moved: new_wait_queue!("test_moved")?,
        })
    }

    pub(crate) fn add(&self) {
        let mut ticks = self.ticks.lock();
        *ticks = ticks.wrapping_add(1);
        drop(ticks);
        self.moved.wake_up_all();
    }

    /// Waits until there were `count` callbacks in all.
    pub(crate) fn reach(&self, count: u64) -> Result {
        self.moved
            .wait_interruptible(|| *self.ticks.lock() >= count)
    }
}
