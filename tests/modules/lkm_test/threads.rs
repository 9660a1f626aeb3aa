// SPDX-License-Identifier: GPL-2.0

//! Kernel threads.

use crate::{cpus::Noted, promises::Counters};
use lkm::{
    cpumask::{online_cpus, Cpu},
    kthread::{Context, KThread, KThreadCallback},
    new_mutex,
    percpu::with_preempt_disabled,
    prelude::*,
    str::CStr,
    sync::{Arc, Mutex},
    time::{Delta, Instant},
};

/// Longer than any test.
const FOR_EVER: Delta = Delta::from_millis(3_600_000);
pub(crate) const THREAD: &CStr = c_str!("lkm_test_thread");

/// Sleeps until it is stopped.
pub(crate) struct Sleeper {
    pub(crate) runs: Arc<Counters>,
    pub(crate) _noted: Noted,
}

impl KThreadCallback for Sleeper {
    fn run(&mut self, thread: &Context) {
        self.runs.add();
        while thread.sleep(FOR_EVER) {}
    }
}

pub(crate) fn threads() -> Result {
    let (runs, drops) = (Counters::new()?, Counters::new()?);
    let sleeper = || Sleeper {
        runs: runs.clone(),
        _noted: Noted(drops.clone()),
    };
    // Stopped before or while it runs, or goes to sleep.
    for round in 0..300u64 {
        let before = *runs.ticks.lock();
        let thread = KThread::spawn(THREAD, sleeper())?;
        match round % 3 {
            0 => {}
            1 => runs.reach(before.wrapping_add(1))?,
            _ => {
                let start = Instant::now();
                while start.elapsed() < Delta::from_micros(round as i64) {}
            }
        }
        check!(*drops.ticks.lock() == round);
        drop(thread);
        check!(*drops.ticks.lock() == round.wrapping_add(1));
    }
    check!(*runs.ticks.lock() <= 300);

    // Ended by itself.
    struct Once(Arc<Counters>);
    impl KThreadCallback for Once {
        fn run(&mut self, thread: &Context) {
            if !thread.should_stop() && thread.sleep(Delta::from_millis(1)) {
                self.0.add();
            }
        }
    }
    let ended = Counters::new()?;
    let once = KThread::spawn(THREAD, Once(ended.clone()))?;
    ended.reach(1)?;
    drop(once);

    // A stop ends an interruptible wait, too.
    struct Waiter(Arc<Counters>, Result);
    impl KThreadCallback for Waiter {
        fn run(&mut self, thread: &Context) {
            self.0.add();
            self.1 = self.0.moved.wait_interruptible(|| false);
            if self.1 == Err(ERESTARTSYS) && thread.should_stop() {
                self.0.add();
            }
        }
    }
    let waiter = KThread::spawn(THREAD, Waiter(ended.clone(), Ok(())))?;
    ended.reach(2)?;
    drop(waiter);
    check!(*ended.ticks.lock() == 3);

    // On each CPU; a thread that has a thread.
    struct Bound(Cpu, Arc<Counters>);
    impl KThreadCallback for Bound {
        fn run(&mut self, thread: &Context) {
            let inner = KThread::spawn(THREAD, Once(self.1.clone()));
            for _ in 0..3 {
                let here = with_preempt_disabled(|here| here.cpu() == self.0);
                if here && thread.sleep(Delta::from_millis(1)) {
                    self.1.add();
                }
            }
            let _ = self.1.moved.wait_interruptible(|| false);
            drop(inner);
        }
    }
    for cpu in online_cpus() {
        let counts = Counters::new()?;
        let bound = KThread::spawn_on(cpu, THREAD, Bound(cpu, counts.clone()))?;
        counts.reach(4)?;
        drop(bound);
    }
    Ok(())
}

/// For a caller that keeps this CPU busy, so that the thread cannot begin.
pub(crate) fn stop_before_run() -> Result {
    let (runs, drops) = (Counters::new()?, Counters::new()?);
    let sleeper = Sleeper {
        runs: runs.clone(),
        _noted: Noted(drops.clone()),
    };
    let here = with_preempt_disabled(|here| here.cpu());
    drop(KThread::spawn_on(here, THREAD, sleeper)?);
    check!(*runs.ticks.lock() == 0);
    check!(*drops.ticks.lock() == 1);
    Ok(())
}

/// A thread that drops its own handle, and then goes on for a while.
struct Quitter {
    own: Arc<Mutex<Option<KThread<Quitter>>>>,
    done: Arc<Counters>,
}

impl KThreadCallback for Quitter {
    fn run(&mut self, thread: &Context) {
        let mut own = None;
        while own.is_none() {
            own = self.own.lock().take();
        }
        let before = thread.should_stop();
        drop(own);
        if !before && thread.should_stop() && !thread.sleep(FOR_EVER) {
            self.done.add();
        }
        let start = Instant::now();
        while start.elapsed() < Delta::from_millis(50) {}
    }
}

pub(crate) fn drop_own_handle() -> Result {
    let own = Arc::try_new(new_mutex!(None, "lkm_test_own")?)?;
    let done = Counters::new()?;
    let thread = KThread::spawn(
        THREAD,
        Quitter {
            own: own.clone(),
            done: done.clone(),
        },
    )?;
    *own.lock() = Some(thread);
    done.reach(1)
}
