// SPDX-License-Identifier: GPL-2.0

//! The threads that count by themselves.

use crate::{module_parameters, statistics::Statistics};
use lkm::{
    cpuhp::{HotplugCallback, HotplugState},
    cpumask::Cpu,
    kthread::{Context, KThread, KThreadCallback},
    new_mutex,
    percpu::{with_preempt_disabled, PerCpu},
    prelude::*,
    sync::{Arc, Mutex},
    time::Delta,
};

/// A thread on each CPU that is online.
pub(crate) struct Threads {
    statistics: Arc<Statistics>,
    threads: PerCpu<Mutex<Option<KThread<Stepper>>>>,
}

impl Threads {
    pub(crate) fn start(statistics: &Arc<Statistics>) -> Result<HotplugState<Threads>> {
        let threads = Threads {
            statistics: statistics.clone(),
            threads: PerCpu::new(|_| new_mutex!(None, "percpu_counter_threads"))?,
        };
        HotplugState::setup(c_str!("rlkm/percpu_counter:online"), threads)
    }
}

impl HotplugCallback for Threads {
    fn online(&self, cpu: Cpu) -> Result {
        let stepper = Stepper {
            cpu,
            statistics: self.statistics.clone(),
        };
        let thread = KThread::spawn_on(cpu, c_str!("percpu_counter"), stepper)?;
        *self.threads.of(cpu).lock() = Some(thread);
        Ok(())
    }

    fn offline(&self, cpu: Cpu) {
        // Stopped without the lock.
        let thread = self.threads.of(cpu).lock().take();
        drop(thread);
    }
}

pub(crate) struct Stepper {
    cpu: Cpu,
    statistics: Arc<Statistics>,
}

impl KThreadCallback for Stepper {
    fn run(&mut self, thread: &Context) {
        while thread.sleep(step()) {
            // A CPU that is about to go offline sends its threads elsewhere, in
            // the last moments before they are stopped.
            with_preempt_disabled(|here| {
                if here.cpu() == self.cpu {
                    self.statistics.count(here, 0);
                }
            });
        }
    }
}

fn step() -> Delta {
    Delta::from_millis(module_parameters::step_ms.value().into())
}
