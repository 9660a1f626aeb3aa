// SPDX-License-Identifier: GPL-2.0

//! The counters of the device.

use core::sync::atomic::{fence, Ordering};
use lkm::{
    cpumask::Cpu,
    new_mutex,
    percpu::{Counter, CpuGuard, PerCpu},
    prelude::*,
    sync::Mutex,
};

/// What was counted.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

impl Counts {
    fn since(self, zero: &Counts) -> Counts {
        Counts {
            events: self.events.wrapping_sub(zero.events),
            bytes: self.bytes.wrapping_sub(zero.bytes),
        }
    }
}

/// Three counters for two numbers: an event is begun, its bytes are added, and
/// then it is one. So who reads can tell whether the two numbers agree.
///
/// They only ever go up, as nobody may write to what is another CPU's: a reset
/// notes where they were.
pub(crate) struct Statistics {
    begun: Counter,
    bytes: Counter,
    events: Counter,
    /// What each CPU had at the last reset.
    zero: Mutex<PerCpu<Counts>>,
}

impl Statistics {
    pub(crate) fn new() -> Result<Self> {
        let zero = PerCpu::new(|_| Ok(Counts::default()))?;
        Ok(Statistics {
            begun: Counter::new()?,
            bytes: Counter::new()?,
            events: Counter::new()?,
            zero: new_mutex!(zero, "percpu_counter_zero")?,
        })
    }

    /// Counts an event on the CPU that the guard keeps this on.
    pub(crate) fn count(&self, _here: &CpuGuard, bytes: u64) {
        self.begun.inc();
        fence(Ordering::Release);
        self.bytes.add(bytes);
        fence(Ordering::Release);
        self.events.inc();
    }

    /// What a CPU has counted since the module was loaded. If it is counting
    /// right now this waits, which is not for long: it has preemption off.
    fn ever(&self, cpu: Cpu) -> Counts {
        loop {
            let events = self.events.get(cpu);
            fence(Ordering::Acquire);
            let bytes = self.bytes.get(cpu);
            fence(Ordering::Acquire);
            if self.begun.get(cpu) == events {
                return Counts { events, bytes };
            }
            core::hint::spin_loop();
        }
    }

    /// What a CPU has counted since the last reset.
    pub(crate) fn of(&self, cpu: Cpu) -> Counts {
        let zero = self.zero.lock();
        self.ever(cpu).since(zero.of(cpu))
    }

    /// The same for each CPU, which `show` is given in order, and their sum.
    pub(crate) fn sum(&self, mut show: impl FnMut(Cpu, Counts) -> Result) -> Result<Counts> {
        let mut total = Counts::default();
        for (cpu, zero) in self.zero.lock().iter() {
            let counts = self.ever(cpu).since(zero);
            show(cpu, counts)?;
            total.events = total.events.wrapping_add(counts.events);
            total.bytes = total.bytes.wrapping_add(counts.bytes);
        }
        Ok(total)
    }

    /// Has all counts begin at 0 again. What is counted meanwhile is counted
    /// before that or after it.
    pub(crate) fn reset(&self) {
        for (cpu, zero) in self.zero.lock().iter_mut() {
            *zero = self.ever(cpu);
        }
    }
}
