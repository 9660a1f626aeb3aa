//! The tests. Each is a module, in [`module`].

use crate::{
    bindings::{
        atomic, before_reduce, leaked, module, pass, rcu_barrier, run_due, sources,
        with_another_cpu, BINDINGS_HZ, WHEEL,
    },
    c_str,
    cpuhp::{HotplugCallback, HotplugState},
    cpumask::Cpu,
    error::{
        code::{EINVAL, ESHUTDOWN},
        Result,
    },
    hrtimer::{HrTimer, HrTimerCallback, HrTimerRestart},
    kthread::{Context, KThread, KThreadCallback},
    new_mutex, new_rcu_pointer, new_timer, new_work,
    source::{stop_all, Source, Startable, Stop},
    sync::{rcu::with_read_lock, Arc},
    tasklet::{Tasklet, TaskletCallback},
    time::Delta,
    timer::{Timer, TimerCallback, TimerRestart},
    with_lock_class,
    workqueue::{Queue, Work, WorkItem},
};
use std::{
    mem::forget,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc as StdArc, Mutex as StdMutex,
    },
};

/// How often something has happened, for many to know.
#[derive(Clone, Default)]
struct Count(StdArc<AtomicUsize>);

impl Count {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Calls and drops of what is called back.
#[derive(Clone, Default)]
struct Seen {
    calls: Count,
    drops: Count,
}

/// What every kind of callback is here.
struct Callback {
    seen: Seen,
    own: Box<usize>,
    /// How often it goes on.
    again: usize,
}

impl Callback {
    fn called(&mut self) -> bool {
        *self.own += 1;
        self.seen.calls.add();
        *self.own <= self.again
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        self.seen.drops.add();
    }
}

impl Seen {
    fn callback(&self, again: usize) -> Callback {
        Callback {
            seen: self.clone(),
            own: Box::new(0),
            again,
        }
    }

    fn get(&self) -> (usize, usize) {
        (self.calls.get(), self.drops.get())
    }
}

const TICK: Delta = Delta::from_nanos(1_000_000_000 / BINDINGS_HZ as i64);

impl TimerCallback for Callback {
    fn run(&mut self) -> TimerRestart {
        if self.called() {
            TimerRestart::Restart(TICK)
        } else {
            TimerRestart::NoRestart
        }
    }
}

impl HrTimerCallback for Callback {
    fn run(&mut self) -> HrTimerRestart {
        if self.called() {
            HrTimerRestart::Forward(TICK)
        } else {
            HrTimerRestart::NoRestart
        }
    }
}

impl TaskletCallback for Callback {
    fn run(&mut self) {
        self.called();
    }
}

impl WorkItem for Callback {
    fn run(&mut self) {
        self.called();
    }
}

impl KThreadCallback for Callback {
    fn run(&mut self, thread: &Context) {
        self.called();
        while thread.sleep(Delta::from_millis(1 << 50)) {}
    }
}

/// Errors on this CPU, if on any.
struct Hotplug(Seen, Option<u32>);

impl HotplugCallback for Hotplug {
    fn online(&self, cpu: Cpu) -> Result {
        if self.1 == Some(cpu.number()) {
            return Err(EINVAL);
        }
        self.0.calls.add();
        Ok(())
    }

    fn offline(&self, _: Cpu) {
        self.0.drops.add();
    }
}

fn timer(callback: Callback) -> Timer<Callback> {
    new_timer!(callback).unwrap()
}

fn work(callback: Callback) -> Work<Callback> {
    let queue = Queue::new_unbound(c_str!("test")).unwrap();
    new_work!(Arc::try_new(queue).unwrap(), callback).unwrap()
}

#[test]
fn a_callback_finds_its_data_by_the_object_of_c() {
    module(|| {
        let seen = Seen::default();
        let (timer, hrtimer) = (timer(seen.callback(2)), HrTimer::new(seen.callback(2)));
        let (tasklet, work) = (Tasklet::new(seen.callback(0)), work(seen.callback(0)));
        let (hrtimer, tasklet) = (hrtimer.unwrap(), tasklet.unwrap());
        for round in 1..3 {
            timer.start(TICK);
            hrtimer.start(TICK);
            tasklet.schedule();
            assert!(work.enqueue());
            // Handles may move: what C points to does not.
            let moved = Box::new((&timer, &hrtimer));
            pass(5);
            assert_eq!(seen.get().0, [8, 12][round - 1], "round {round}");
            drop(moved);
            tasklet.kill();
            work.flush();
        }
        drop((timer, hrtimer, tasklet, work));
        assert_eq!(seen.get().1, 4);
        assert_eq!(sources(), 0);
    });
}

#[test]
fn a_thread_finds_its_data_and_is_stopped_with_its_handle() {
    module(|| {
        for _ in 0..3 {
            let seen = Seen::default();
            let thread = KThread::spawn(c_str!("test"), seen.callback(0)).unwrap();
            while seen.calls.get() == 0 {
                std::thread::yield_now();
            }
            drop(thread);
            assert_eq!(seen.get(), (1, 1));
        }
        let seen = Seen::default();
        drop(KThread::spawn(c_str!("test"), seen.callback(0)).unwrap());
        assert_eq!(seen.get().1, 1, "and before it has begun");
    });
}

#[test]
fn a_thread_that_drops_its_own_handle_is_stopped_with_the_module() {
    type Own = StdArc<StdMutex<Option<KThread<Quitter>>>>;
    struct Quitter(Own, Count);
    impl KThreadCallback for Quitter {
        fn run(&mut self, thread: &Context) {
            let mut own = None;
            while own.is_none() {
                own = self.0.lock().unwrap().take();
                std::thread::yield_now();
            }
            drop(own);
            assert!(thread.should_stop());
            self.1.add();
        }
    }

    let done = Count::default();
    module(|| {
        let own = Own::default();
        let quitter = Quitter(own.clone(), done.clone());
        let thread = KThread::spawn(c_str!("test"), quitter).unwrap();
        *own.lock().unwrap() = Some(thread);
        while own.lock().unwrap().is_some() {
            std::thread::yield_now();
        }
    });
    assert_eq!(done.get(), 1, "unloading has waited for it");
}

#[test]
fn a_hotplug_state_calls_for_each_cpu_and_undoes_it() {
    module(|| {
        let seen = Seen::default();
        let state = HotplugState::setup(c_str!("test:online"), Hotplug(seen.clone(), None));
        assert_eq!(seen.get(), (2, 0));
        drop(state);
        assert_eq!(seen.get(), (2, 2));
        let refused = HotplugState::setup(c_str!("test:online"), Hotplug(seen.clone(), Some(1)));
        assert_eq!(refused.err(), Some(EINVAL));
        assert_eq!(seen.get(), (3, 3));
    });
}

/// One of everything, armed.
#[allow(dead_code)] // The last two are there to be dropped.
struct Everything(
    Timer<Callback>,
    HrTimer<Callback>,
    Tasklet<Callback>,
    Work<Callback>,
    HotplugState<Hotplug>,
    KThread<Callback>,
);

impl Everything {
    fn new(seen: &Seen) -> Self {
        let own = seen.callback(usize::MAX - 1);
        let everything = Everything(
            timer(own),
            HrTimer::new(seen.callback(usize::MAX - 1)).unwrap(),
            Tasklet::new(seen.callback(0)).unwrap(),
            work(seen.callback(0)),
            HotplugState::setup(c_str!("test:online"), Hotplug(Seen::default(), None)).unwrap(),
            KThread::spawn(c_str!("test"), seen.callback(0)).unwrap(),
        );
        everything.arm();
        everything
    }

    fn arm(&self) {
        self.0.start(TICK);
        self.1.start(TICK);
        self.2.schedule();
        self.3.enqueue();
    }
}

#[test]
fn what_is_leaked_is_stopped_with_the_module_and_stays() {
    // For Miri, which calls a leak what nobody can find any more.
    static LEAKED: StdMutex<Vec<Everything>> = StdMutex::new(Vec::new());

    for leak in [true, false] {
        module(|| {
            let seen = Seen::default();
            let everything = Everything::new(&seen);
            with_another_cpu(|| {
                while seen.calls.get() < 9 {
                    std::thread::yield_now();
                }
                stop_all();
                let calls = seen.calls.get();
                everything.arm();
                pass(10);
                assert_eq!(seen.calls.get(), calls, "called once it was stopped");
            });
            // Dropped, it is left, too: whoever stops all walks the list.
            if leak {
                LEAKED.lock().unwrap().push(everything);
            } else {
                drop(everything);
            }
            assert_eq!(seen.drops.get(), 0);
            assert_eq!(sources(), 6);
        });
    }
}

#[test]
fn what_is_dropped_in_an_interrupt_goes_on_and_is_counted() {
    module(|| {
        let seen = Seen::default();
        let everything = Everything::new(&seen);
        assert_eq!(leaked(), 0);
        atomic(|| drop(everything));
        // The queue of the work, too.
        assert_eq!(leaked(), 7);
        let calls = seen.calls.get();
        pass(10);
        assert!(seen.calls.get() >= calls + 20);
        assert_eq!(seen.drops.get(), 0);
    });
}

#[test]
fn what_comes_after_the_stop_is_refused_and_freed() {
    struct Never;
    // SAFETY: nothing is called.
    unsafe impl Stop for Never {
        unsafe fn stop(_: *mut Self) {
            panic!("stopped, and was not started");
        }
    }

    module(|| {
        let seen = Seen::default();
        let value = seen.callback(0);
        let early: Source<Startable<Never>, Callback> =
            with_lock_class!(Source::new_startable, (Never, value), "test").unwrap();
        let failed = early.start(|_| Err(EINVAL));
        assert_eq!(failed, Err(EINVAL));
        stop_all();
        let refused = early.start(|_| panic!("started after the stop"));
        assert_eq!(refused, Err(ESHUTDOWN));

        let refused = HrTimer::new(seen.callback(0));
        assert_eq!(refused.err(), Some(ESHUTDOWN));
        assert_eq!(seen.drops.get(), 1);
        let refused = KThread::spawn(c_str!("test"), seen.callback(0));
        assert_eq!(refused.err(), Some(ESHUTDOWN));
        assert_eq!(seen.get(), (0, 2));
        forget(early);
    });
}

/// Whether the timer restarts itself or another thread starts it.
#[test]
fn after_a_cancel_nothing_is_called() {
    let rounds = if cfg!(miri) { 10 } else { 1_000 };
    module(|| {
        let seen = Seen::default();
        let (timer, hrtimer) = (
            timer(seen.callback(usize::MAX - 1)),
            HrTimer::new(seen.callback(usize::MAX - 1)).unwrap(),
        );
        with_another_cpu(|| {
            for round in 0..rounds {
                timer.start(TICK);
                hrtimer.start(TICK);
                let before = seen.calls.get();
                while seen.calls.get() < before + round % 4 {
                    std::thread::yield_now();
                }
                timer.cancel();
                hrtimer.cancel();
                let after = seen.calls.get();
                pass(3);
                assert_eq!(seen.calls.get(), after);
            }
        });
    });
}

/// The jiffies of a span, as a timer has it.
fn jiffies(span: Delta) -> u64 {
    span.as_jiffies_ceil()
}

const DAY: i64 = 86_400_000;

#[test]
fn a_span_is_rounded_up_to_ticks_however_long_it_is() {
    let hz = i64::from(BINDINGS_HZ);
    for (nanos, ticks) in [
        (i64::MIN, 0),
        (-1, 0),
        (0, 0),
        (1, 1),
        (TICK.as_nanos() - 1, 1),
        (TICK.as_nanos(), 1),
        (TICK.as_nanos() + 1, 2),
        (999_999_999, hz),
        (1_000_000_000, hz),
        (1_000_000_001, hz + 1),
        // 2^31 and 2^32 ms, and one more
        (2_147_483_648_000_000, 2_147_483_648 * hz / 1_000),
        (2_147_483_649_000_000, 2_147_483_649 * hz / 1_000 + 1),
        (4_294_967_296_000_000, 4_294_967_296 * hz / 1_000),
        (4_294_967_297_000_000, 4_294_967_297 * hz / 1_000 + 1),
        (i64::MAX, 9_223_372_036 * hz + 214),
    ] {
        assert_eq!(jiffies(Delta::from_nanos(nanos)), ticks as u64, "{nanos}");
    }
}

#[test]
fn a_timer_of_any_length_is_called_at_its_time() {
    for days in [1, 24, 25, 48, 49, 50, 98, 365, 100 * 365] {
        module(|| {
            let seen = Seen::default();
            let timer = timer(seen.callback(1));
            let span = jiffies(Delta::from_millis(days * DAY));
            timer.start(Delta::from_millis(days * DAY));
            pass(span - 1);
            assert_eq!(seen.calls.get(), 0, "{days} days: too early");
            pass(1);
            assert_eq!(seen.calls.get(), 1, "{days} days");
            // It has restarted itself, for a tick.
            pass(1);
            assert_eq!(seen.calls.get(), 2);
            pass(2 * WHEEL);
            assert_eq!(seen.calls.get(), 2);
        });
    }
}

#[test]
fn a_long_timer_can_be_moved_and_cancelled_at_each_turn_of_the_wheel() {
    for turns in 0..4 {
        module(|| {
            let seen = Seen::default();
            let timer = timer(seen.callback(0));
            let year = Delta::from_millis(365 * DAY);
            timer.start(year);
            pass(turns * WHEEL);
            timer.start(TICK);
            pass(1);
            assert_eq!(seen.calls.get(), 1);
            timer.start(year);
            pass(turns * WHEEL);
            timer.cancel();
            pass(jiffies(year));
            assert_eq!(seen.calls.get(), 1);
            // One that is dropped has nothing left for the wheel to turn.
            timer.start(year);
            pass(turns * WHEEL);
        });
    }
}

/// Between the function's look at the aim and its starting the timer again.
#[test]
fn a_start_while_the_wheel_turns_counts_and_not_the_turn() {
    let year = Delta::from_millis(365 * DAY);
    for days in [0, 1, 60, 400] {
        module(|| {
            let seen = Seen::default();
            let timer = StdArc::new(timer(seen.callback(0)));
            timer.start(year);
            let new = Delta::from_millis(days * DAY + 1_000);
            before_reduce({
                let timer = timer.clone();
                move || timer.start(new)
            });
            pass(WHEEL);
            pass(jiffies(new) - 1);
            assert_eq!(seen.calls.get(), 0, "{days} days: too early");
            pass(1);
            assert_eq!(seen.calls.get(), 1, "{days} days");
            pass(2 * jiffies(year));
            assert_eq!(seen.calls.get(), 1, "{days} days: twice");
            drop(timer);
        });
    }
}

/// Whoever unloads the module may come while the function runs.
#[test]
fn a_turn_of_the_wheel_does_not_outlive_the_module() {
    module(|| {
        let seen = Seen::default();
        let timer = timer(seen.callback(0));
        timer.start(Delta::from_millis(365 * DAY));
        std::thread::scope(|scope| {
            let (begin, begun) = std::sync::mpsc::channel();
            before_reduce(move || {
                begin.send(()).unwrap();
                while !unsafe { crate::bindings::lkm_sources_stopped() } {
                    std::thread::yield_now();
                }
            });
            scope.spawn(|| pass(WHEEL));
            begun.recv().unwrap();
            stop_all();
        });
        pass(jiffies(Delta::from_millis(365 * DAY)));
        assert_eq!(seen.calls.get(), 0);
    });
}

#[test]
fn work_is_shared_with_workers_that_borrow() {
    module(|| {
        let queue = Queue::new_unbound(c_str!("test")).unwrap();
        let mut items = [0; 20];
        with_another_cpu(|| {
            let mut workers = [0; 3];
            let took_part = queue.for_each(&mut workers, items.iter_mut(), |worker, item| {
                *worker += 1;
                *item += 1;
                std::thread::yield_now();
            });
            assert_eq!(workers.iter().sum::<usize>(), 20);
            assert_eq!(took_part, workers.iter().filter(|n| **n > 0).count());
        });
        assert_eq!(items, [1; 20]);
    });
}

#[test]
fn what_rcu_frees_it_finds_by_the_head() {
    module(|| {
        let seen = Seen::default();
        let pointer = new_rcu_pointer!(seen.callback(0)).unwrap();
        for replace in 1..4 {
            let old = pointer.replace(seen.callback(0)).unwrap();
            with_read_lock(|guard| assert_eq!(*pointer.read(guard).own, 0));
            if replace == 2 {
                old.synchronize_rcu();
            } else {
                old.call_rcu();
            }
        }
        assert_eq!(seen.drops.get(), 1);
        rcu_barrier();
        assert_eq!(seen.drops.get(), 3);
        drop(pointer);
        assert_eq!(seen.drops.get(), 4);
    });
}

#[test]
fn locks_and_references_are_used_by_many_threads() {
    module(|| {
        let seen = Seen::default();
        let shared = Arc::try_new((new_mutex!(0).unwrap(), seen.callback(0))).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let shared = shared.clone();
                scope.spawn(move || {
                    for _ in 0..5 {
                        *shared.0.lock() += 1;
                        let again = Arc::from(shared.as_arc_borrow());
                        let _ = again.0.try_lock().map(|mut sum| *sum += 0);
                    }
                });
            }
        });
        assert_eq!(*shared.0.lock(), 15);
        run_due();
        drop(shared);
        assert_eq!(seen.drops.get(), 1);
    });
}
