// SPDX-License-Identifier: GPL-2.0

//! CPUs, what each has for itself, and hotplug.

use crate::{
    promises::Counters,
    threads::{Sleeper, THREAD},
};
use core::sync::atomic::{AtomicU64, Ordering};
use lkm::{
    cpuhp::{HotplugCallback, HotplugState},
    cpumask::{nr_cpu_ids, num_online_cpus, num_possible_cpus, online_cpus, possible_cpus, Cpu},
    hrtimer::{HrTimer, HrTimerCallback, HrTimerRestart},
    irq::with_irqs_disabled,
    kthread::{Context, KThread, KThreadCallback},
    kvec::KVVec,
    new_mutex, new_timer,
    percpu::{with_preempt_disabled, Counter, PerCpu},
    prelude::*,
    str::CStr,
    sync::{Arc, Mutex},
    time::Delta,
    timer::{TimerCallback, TimerRestart},
};

/// Counts its drops.
pub(crate) struct Noted(pub(crate) Arc<Counters>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.add();
    }
}

pub(crate) fn cpus() -> Result {
    let mut next = 0;
    for cpu in possible_cpus() {
        check!(cpu.number() >= next && cpu.number() < nr_cpu_ids());
        check!(Cpu::from_number(cpu.number()) == Some(cpu));
        next = cpu.number().wrapping_add(1);
    }
    check!(next == nr_cpu_ids());
    for none in [nr_cpu_ids(), 1 << 31, u32::MAX] {
        check!(Cpu::from_number(none).is_none());
    }
    let mut found = possible_cpus();
    check!(num_possible_cpus() == possible_cpus().count());
    check!((1..=num_possible_cpus()).contains(&num_online_cpus()));
    check!(online_cpus().all(|online| found.any(|possible| possible == online)));
    for _ in possible_cpus() {
        found.next();
    }
    check!(found.next().is_none() && found.next().is_none());

    with_preempt_disabled(|here| {
        check!(here.cpu().is_online());
        check!(with_preempt_disabled(|again| again.cpu() == here.cpu()));
        check!(with_preempt_disabled(|again| again.cpu() == here.cpu()));
        Ok(())
    })
}

pub(crate) fn percpu() -> Result {
    let possible = possible_cpus().count() as u64;
    let drops = Counters::new()?;
    let numbers =
        PerCpu::new(|cpu| Ok((AtomicU64::new(cpu.number().into()), Noted(drops.clone()))))?;
    check!(numbers
        .iter()
        .all(|(cpu, it)| it.0.load(Ordering::Relaxed) == cpu.number().into()));
    check!(numbers.iter().count() as u64 == possible);
    with_preempt_disabled(|here| {
        numbers.get(here).0.store(77, Ordering::Relaxed);
        check!(numbers.of(here.cpu()).0.load(Ordering::Relaxed) == 77);
        check!(core::ptr::eq(numbers.get(here), numbers.of(here.cpu())));
        Ok(())
    })?;
    check!(*drops.ticks.lock() == 0);
    drop(numbers);
    check!(*drops.ticks.lock() == possible);

    // One that fails at the last CPU drops what there was before.
    *drops.ticks.lock() = 0;
    let last = possible_cpus().last();
    let failed = PerCpu::new(|cpu| match Some(cpu) == last {
        false => Ok(Noted(drops.clone())),
        true => Err(EXDEV),
    });
    check!(failed.err() == Some(EXDEV));
    check!(*drops.ticks.lock() == possible.wrapping_sub(1));

    // Sizes and alignments: nothing, the largest, too large.
    struct Nothing(Noted);
    *drops.ticks.lock() = 0;
    check!(PerCpu::new(|_| Ok(()))?.iter().count() as u64 == possible);
    drop(PerCpu::new(|_| Ok(Nothing(Noted(drops.clone()))))?);
    check!(*drops.ticks.lock() == possible);
    #[repr(align(4096))]
    struct Page;
    #[repr(align(8192))]
    struct TwoPages;
    for (_, page) in PerCpu::new(|_| Ok((Page, 1u8)))?.iter() {
        check!((page as *const _ as usize) % 4096 == 0 && page.1 == 1);
    }
    check!(PerCpu::new(|_| Ok(TwoPages)).err() == Some(ENOMEM));
    for (_, large) in PerCpu::new(|_| Ok([5u8; 2048]))?.iter() {
        check!(large.iter().all(|&byte| byte == 5));
    }
    check!(PerCpu::new(|_| -> Result<[[u64; 512]; 8]> { Err(EXDEV) }).err() == Some(EXDEV));
    check!(PerCpu::new(|_| -> Result<[[u64; 512]; 9]> { Err(EXDEV) }).err() == Some(ENOMEM));
    Ok(())
}

/// Counts in an interrupt, and how often.
struct Tick {
    counter: Arc<Counter>,
    ticks: Arc<AtomicU64>,
}

impl HrTimerCallback for Tick {
    fn run(&mut self) -> HrTimerRestart {
        self.counter.inc();
        self.ticks.fetch_add(1, Ordering::Relaxed);
        HrTimerRestart::Forward(Delta::from_micros(30))
    }
}

/// Counts on one CPU, together with a timer.
struct Adder {
    counter: Arc<Counter>,
    timer: HrTimer<Tick>,
    done: Arc<Counters>,
}

const ADDS: u64 = 200_000;

impl KThreadCallback for Adder {
    fn run(&mut self, _thread: &Context) {
        self.timer.start(Delta::from_micros(30));
        for n in 0..ADDS {
            self.counter.add(n % 2);
        }
        self.timer.cancel();
        self.done.add();
    }
}

/// Two threads and two timers on each CPU, all at once.
pub(crate) fn counters() -> Result {
    let counter = Arc::try_new(Counter::new()?)?;
    let ticks = Arc::try_new(AtomicU64::new(0))?;
    let done = Counters::new()?;
    let start = |cpu| {
        let tick = Tick {
            counter: counter.clone(),
            ticks: ticks.clone(),
        };
        let adder = Adder {
            counter: counter.clone(),
            timer: HrTimer::new(tick)?,
            done: done.clone(),
        };
        KThread::spawn_on(cpu, THREAD, adder)
    };
    let threads = PerCpu::new(|cpu| match cpu.is_online() {
        true => Ok(Some((start(cpu)?, start(cpu)?))),
        false => Ok(None),
    })?;
    let count = threads.iter().filter(|(_, it)| it.is_some()).count() as u64;
    done.reach(count.wrapping_mul(2))?;
    drop(threads);
    let ticks = ticks.load(Ordering::Relaxed);
    pr_info!("{} ticks\n", ticks);
    check!(ticks > 0);
    check!(counter.sum() == count.wrapping_mul(ADDS).wrapping_add(ticks));

    // Without timers, which may fire on another CPU, each CPU has its own.
    struct Ones(Arc<Counter>, Arc<Counters>);
    impl KThreadCallback for Ones {
        fn run(&mut self, _thread: &Context) {
            for _ in 0..ADDS {
                self.0.inc();
            }
            self.1.add();
        }
    }
    let counter = Arc::try_new(Counter::new()?)?;
    let done = Counters::new()?;
    let threads = PerCpu::new(|cpu| match cpu.is_online() {
        true => KThread::spawn_on(cpu, THREAD, Ones(counter.clone(), done.clone())).map(Some),
        false => Ok(None),
    })?;
    done.reach(count)?;
    for (cpu, thread) in threads.iter() {
        check!(counter.get(cpu) == thread.as_ref().map_or(0, |_| ADDS));
    }
    Ok(())
}

/// A thread for each CPU that is online.
pub(crate) struct Threads {
    name: &'static str,
    threads: PerCpu<Mutex<Option<KThread<Stepper>>>>,
}

struct Stepper;

impl KThreadCallback for Stepper {
    fn run(&mut self, thread: &Context) {
        while thread.sleep(Delta::from_millis(1)) {}
    }
}

impl Threads {
    fn setup(name: &'static str, hotplug_name: &'static CStr) -> Result<HotplugState<Threads>> {
        let threads = PerCpu::new(|_| new_mutex!(None, "lkm_test_threads"))?;
        HotplugState::setup(hotplug_name, Threads { name, threads })
    }
}

impl HotplugCallback for Threads {
    /// With the parameter `flag`, the highest CPU is refused.
    fn online(&self, cpu: Cpu) -> Result {
        pr_info!("{}: cpu {} online\n", self.name, cpu.number());
        if Some(cpu) == possible_cpus().last() && crate::module_parameters::flag.value() {
            return Err(EXDEV);
        }
        let stepper = KThread::spawn_on(cpu, c_str!("lkm_test_step"), Stepper)?;
        if self.threads.of(cpu).lock().replace(stepper).is_some() {
            pr_err!("broken: cpu {} is online twice\n", cpu.number());
        }
        Ok(())
    }

    fn offline(&self, cpu: Cpu) {
        pr_info!("{}: cpu {} offline\n", self.name, cpu.number());
        let stepper = self.threads.of(cpu).lock().take();
        if stepper.is_none() {
            pr_err!("broken: cpu {} was not online\n", cpu.number());
        }
    }
}

/// Two states: what comes online first goes offline last.
pub(crate) struct Hotplug {
    _second: HotplugState<Threads>,
    _first: HotplugState<Threads>,
}

impl Hotplug {
    pub(crate) fn setup() -> Result<Self> {
        let first = Threads::setup("first", c_str!("lkm_test/first:online"))?;
        let second = Threads::setup("second", c_str!("lkm_test/second:online"))?;
        Ok(Hotplug {
            _second: second,
            _first: first,
        })
    }
}

/// Everything here that can be leaked.
pub(crate) fn leak() -> Result {
    let hotplug = Hotplug::setup()?;
    let (runs, drops) = (Counters::new()?, Counters::new()?);
    let sleeper = || Sleeper {
        runs: runs.clone(),
        _noted: Noted(drops.clone()),
    };
    core::mem::forget(KThread::spawn(THREAD, sleeper())?);
    let here = with_preempt_disabled(|here| here.cpu());
    core::mem::forget(KThread::spawn_on(here, THREAD, sleeper())?);
    core::mem::forget(PerCpu::new(|_| Ok(Noted(drops.clone())))?);
    core::mem::forget(KVVec::<u64>::with_capacity(1 << 10)?);
    core::mem::forget(Counter::new()?);
    runs.reach(1)?;
    core::mem::forget(hotplug);
    Ok(())
}

/// What sleeps is refused here, and what does not works.
struct Interrupt {
    counters: Arc<Counters>,
    counter: Arc<Counter>,
    thread: Option<KThread<Sleeper>>,
    percpu: Option<PerCpu<Noted>>,
    array: Option<KVVec<u8>>,
    hotplug: Option<HotplugState<Nobody>>,
    drops: Arc<Counters>,
}

struct Nobody;

impl HotplugCallback for Nobody {
    fn online(&self, _: Cpu) -> Result {
        Ok(())
    }

    fn offline(&self, _: Cpu) {}
}

pub(crate) fn name_too_long(name: &'static CStr) -> Option<Error> {
    HotplugState::setup(name, Nobody).err()
}

impl TimerCallback for Interrupt {
    fn run(&mut self) -> TimerRestart {
        let sleeper = Sleeper {
            runs: self.counters.clone(),
            _noted: Noted(self.drops.clone()),
        };
        pr_info!(
            "refused: {:?} {:?} {:?} {:?}\n",
            PerCpu::new(|_| Ok(())).err(),
            KVVec::<u8>::with_capacity(1).err(),
            KThread::spawn(THREAD, sleeper).err(),
            HotplugState::setup(c_str!("lkm_test:never"), Nobody).err(),
        );
        with_irqs_disabled(|| self.counter.add(3));
        with_preempt_disabled(|here| {
            self.counter.inc();
            if self.counter.get(here.cpu()) < 4 {
                pr_err!("broken: not counted here\n");
            }
        });
        // These are freed; the two others go on until the module goes.
        self.percpu = None;
        self.array = None;
        self.thread = None;
        self.hotplug = None;
        self.counters.add();
        TimerRestart::NoRestart
    }
}

pub(crate) fn in_interrupt() -> Result {
    let (counters, runs, drops) = (Counters::new()?, Counters::new()?, Counters::new()?);
    let noted = Counters::new()?;
    let counter = Arc::try_new(Counter::new()?)?;
    let sleeper = Sleeper {
        runs: runs.clone(),
        _noted: Noted(drops.clone()),
    };
    let thread = KThread::spawn(THREAD, sleeper)?;
    runs.reach(1)?;
    let interrupt = Interrupt {
        counters: counters.clone(),
        counter: counter.clone(),
        thread: Some(thread),
        percpu: Some(PerCpu::new(|_| Ok(Noted(noted.clone())))?),
        array: Some(KVVec::with_capacity(8 << 20)?),
        hotplug: Some(HotplugState::setup(c_str!("lkm_test:online"), Nobody)?),
        drops: drops.clone(),
    };
    let timer = new_timer!(interrupt, "lkm_test_interrupt")?;
    timer.start(Delta::from_millis(1));
    counters.reach(1)?;
    drop(timer);
    check!(counter.sum() == 4);
    check!(*noted.ticks.lock() == possible_cpus().count() as u64);
    // That of the one that was refused.
    check!(*drops.ticks.lock() == 1);
    Ok(())
}
