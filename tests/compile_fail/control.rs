// SPDX-License-Identifier: GPL-2.0

//! What the others do, done right: without a marked line, this has to compile.

use core::sync::atomic::{AtomicU64, Ordering};
use lkm::{
    new_mutex, new_rcu_pointer, new_timer,
    percpu::{with_preempt_disabled, PerCpu},
    prelude::*,
    sync::{rcu::with_read_lock, Arc},
    timer::{TimerCallback, TimerRestart},
    workqueue::Queue,
};

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
        let mut total = total.lock();
        *total = total.wrapping_add(n);
    });
    let total = *total.lock();

    let per_cpu = PerCpu::new(|_| Ok(AtomicU64::new(0)))?;
    let here = with_preempt_disabled(|guard| per_cpu.get(guard).load(Ordering::Relaxed));

    let pointer = new_rcu_pointer!(1)?;
    pointer.lock().replace(2)?.call_rcu();
    let read = with_read_lock(|guard| *pointer.read(guard));

    Ok([count.load(Ordering::Relaxed), total, here, read]
        .iter()
        .fold(0, |sum, n| sum.wrapping_add(*n)))
}
