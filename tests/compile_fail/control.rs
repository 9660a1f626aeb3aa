// SPDX-License-Identifier: GPL-2.0

//! What the others do, done right: without a marked line, this has to compile.

use core::sync::atomic::{AtomicU64, Ordering};
use lkm::{
    as_bytes, from_bytes, new_mutex, new_rcu_pointer, new_timer,
    percpu::{with_preempt_disabled, PerCpu},
    prelude::*,
    sync::{
        rcu::{with_read_lock, Prepared},
        Arc,
    },
    timer::{TimerCallback, TimerRestart},
    uaccess::UserSlice,
    workqueue::Queue,
};

/// For userland, and not from there: a bool takes two values only.
pub struct Flags {
    /// Whether.
    pub on: bool,
    /// How.
    pub how: u8,
}
as_bytes!(Flags { on, how });

/// From userland, and not for it: there is a gap behind the first.
pub struct Wish {
    /// The first.
    pub small: u8,
    /// The last.
    pub large: u32,
}
from_bytes!(Wish { small, large });

/// What userland wishes, and what it gets.
///
/// # Errors
///
/// `EFAULT`.
pub fn exchange(address: usize) -> Result {
    let wish: Wish = UserSlice::new(address, 8).reader().read()?;
    let flags = Flags {
        on: wish.large > 0,
        how: wish.small,
    };
    UserSlice::new(address, 2).writer().write(&flags)
}

struct Count(Arc<AtomicU64>);

impl TimerCallback for Count {
    fn run(&mut self) -> TimerRestart {
        self.0.fetch_add(1, Ordering::Relaxed);
        TimerRestart::NoRestart
    }
}

/// Data that outlives those who look at it, and guards that stay where they are.
///
/// # Errors
///
/// `ENOMEM`; `ESHUTDOWN` while the module is being unloaded.
pub fn control(queue: &Queue) -> Result<u64> {
    let count = Arc::try_new(AtomicU64::new(0))?;
    let _timer = new_timer!(Count(count.clone()))?;

    let total = new_mutex!(0_u64)?;
    queue.for_each(&mut [0; 2], 0..9, |_, n| {
        total.with(|total| *total = total.wrapping_add(n));
    });
    let total = *total.lock();

    let per_cpu = PerCpu::new(|_| Ok(AtomicU64::new(0)))?;
    let here = with_preempt_disabled(|guard| per_cpu.get(guard).load(Ordering::Relaxed));

    let pointer = new_rcu_pointer!(1_u64)?;
    pointer.replace(2)?.call_rcu();
    let mut new = Prepared::new(0)?;
    *new = 3;
    let old = pointer.publish(new, |new, current| *new = current.wrapping_add(*new));
    old.synchronize_rcu();
    let read = with_read_lock(|guard| *pointer.read(guard));

    Ok([count.load(Ordering::Relaxed), total, here, read]
        .iter()
        .fold(0, |sum, n| sum.wrapping_add(*n)))
}
