// SPDX-License-Identifier: GPL-2.0

//! What `lkm::sync` promises of references, RCU and semaphores, tried from
//! safe code; tests/sync.rs loads it.
//!
//! `case=NAME` says what init does. A promise that is broken is a line and
//! `EPROTO`.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use lkm::{
    cpumask::online_cpus,
    hrtimer::{HrTimer, HrTimerCallback, HrTimerRestart},
    irq::with_irqs_disabled,
    kthread::{Context, KThread, KThreadCallback},
    new_mutex, new_rcu_pointer, new_rwsem, new_semaphore, new_spinlock, new_spinlock_irq,
    new_timer, new_wait_queue, new_work,
    prelude::*,
    sync::{rcu, Arc, ArcBorrow, Mutex, Refcount, RwSemaphore, Semaphore, WaitQueue},
    task::cond_resched,
    time::Delta,
    timer::{TimerCallback, TimerRestart},
    workqueue::{Queue, Work, WorkItem},
};

module! {
    type: Test,
    name: "sync_test",
    author: "rlkm",
    description: "Tries what lkm::sync promises",
    license: "GPL",
    params: {
        case: str {
            default: "nothing",
            permissions: 0o444,
            description: "what init does",
        },
    },
}

#[macro_use]
#[path = "common/promises.rs"]
mod promises;

use promises::Counters;

/// How many of these there are, so that one that is lost or freed twice shows.
static LIVE: AtomicU64 = AtomicU64::new(0);
/// How many readers found what they must not find.
static WRONG: AtomicU64 = AtomicU64::new(0);
static READS: AtomicU64 = AtomicU64::new(0);
static REPLACED: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicBool = AtomicBool::new(false);

/// A number, and a seal on it that is broken when it is freed.
struct Pair {
    number: u64,
    seal: AtomicU64,
}

impl Pair {
    fn new(number: u64) -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Pair {
            number,
            seal: AtomicU64::new(!number),
        }
    }

    fn set(&mut self, number: u64) {
        self.number = number;
        *self.seal.get_mut() = !number;
    }

    fn is_whole(&self) -> bool {
        self.seal.load(Ordering::Relaxed) == !self.number
    }

    /// Looks at it for a while: whether it stays what it is.
    fn stays(&self, looks: u32) -> bool {
        let seal = self.seal.load(Ordering::Relaxed);
        let stays = |_| self.seal.load(Ordering::Relaxed) == seal;
        self.is_whole() && (0..looks).all(stays)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // What a reader sees that comes too late.
        self.seal.store(self.number, Ordering::Relaxed);
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

type Shared = Arc<rcu::Pointer<Pair>>;

fn shared() -> Result<Shared> {
    Arc::try_new(new_rcu_pointer!(Pair::new(0), "sync_test_rcu")?)
}

/// Reads in an interrupt, each time for long enough that a writer comes in between.
struct Reader {
    shared: Shared,
    done: Arc<Counters>,
}

impl HrTimerCallback for Reader {
    fn run(&mut self) -> HrTimerRestart {
        if !rcu::with_read_lock(|guard| self.shared.read(guard).stays(200)) {
            WRONG.fetch_add(1, Ordering::Relaxed);
        }
        READS.fetch_add(1, Ordering::Relaxed);
        self.done.moved.wake_up_all();
        HrTimerRestart::Forward(Delta::from_micros(100))
    }
}

/// Replaces the pair, in a thread, until it is told to stop.
struct Writer {
    shared: Shared,
    done: Arc<Counters>,
    deferred: bool,
}

/// One more than it was; the writers' lock makes it lose none.
fn replace(shared: &Shared, deferred: bool) -> Result {
    let old = shared.publish(rcu::Prepared::new(Pair::new(0))?, |new, current| {
        new.set(current.number.wrapping_add(1))
    });
    if deferred {
        old.call_rcu();
    } else {
        old.synchronize_rcu();
    }
    Ok(())
}

impl WorkItem for Writer {
    fn run(&mut self) {
        while !STOP.load(Ordering::Relaxed) {
            match replace(&self.shared, self.deferred) {
                Ok(()) => REPLACED.fetch_add(1, Ordering::Relaxed),
                Err(_) => WRONG.fetch_add(1, Ordering::Relaxed),
            };
        }
        self.done.add();
    }
}

/// Readers in interrupts and in this thread, and two writers, all at once.
fn rcu_readers_and_writers(deferred: bool) -> Result {
    let shared = shared()?;
    let done = Counters::new()?;
    let reader = HrTimer::new(Reader {
        shared: shared.clone(),
        done: done.clone(),
    })?;
    let queue = Arc::try_new(Queue::new_unbound(c_str!("sync_test"))?)?;
    let writer = || {
        new_work!(
            queue.clone(),
            Writer {
                shared: shared.clone(),
                done: done.clone(),
                deferred,
            }
        )
    };
    let writers = [writer()?, writer()?];
    reader.start(Delta::from_micros(100));
    for writer in &writers {
        writer.enqueue();
    }
    let mut reads = 0u32;
    while reads < 100 || REPLACED.load(Ordering::Relaxed) < 20 {
        // Long enough that a writer that did not wait would free it meanwhile.
        if !rcu::with_read_lock(|guard| shared.read(guard).stays(20_000)) {
            WRONG.fetch_add(1, Ordering::Relaxed);
        }
        reads = reads.wrapping_add(1);
        // Sleeps: where threads are not preempted, a grace period waits for that.
        let ticks = READS.load(Ordering::Relaxed);
        done.moved
            .wait_interruptible(|| READS.load(Ordering::Relaxed) != ticks)?;
    }
    STOP.store(true, Ordering::Relaxed);
    done.reach(2)?;
    reader.cancel();
    check!(WRONG.load(Ordering::Relaxed) == 0);
    check!(READS.load(Ordering::Relaxed) > 0);
    // No writer has overtaken another.
    check!(
        rcu::with_read_lock(|guard| shared.read(guard).number) == REPLACED.load(Ordering::Relaxed)
    );
    if !deferred {
        // Each old pair was freed before its writer went on.
        check!(LIVE.load(Ordering::Relaxed) == 1);
    }
    Ok(())
}

/// A value of before is there, and whole, until the reader ends.
fn rcu_keeps_what_is_read() -> Result {
    let shared = shared()?;
    rcu::with_read_lock(|guard| {
        let before = shared.read(guard);
        // To allocate may sleep, and this is a reader.
        check!(Queue::new_unbound(c_str!("sync_test")).is_err());
        check!(shared.replace(Pair::new(1)).is_err());
        check!(before.is_whole() && before.number == 0);
        Ok(())
    })?;
    replace(&shared, false)?;
    check!(rcu::with_read_lock(|guard| shared.read(guard).number) == 1);

    // Whoever cannot wait leaves it to RCU.
    let old = shared.replace(Pair::new(2))?;
    rcu::with_read_lock(|guard| {
        let now = shared.read(guard);
        drop(old);
        check!(now.is_whole() && now.number == 2);
        Ok(())
    })
}

/// Is told apart in the log from those of another run.
struct Loud(u32);

impl Drop for Loud {
    fn drop(&mut self) {
        pr_info!("dropped {}\n", self.0);
    }
}

/// Whatever was deferred is dropped before the module's code is gone.
fn rcu_defer(leak: bool) -> Result {
    let pointer = new_rcu_pointer!(Loud(0), "sync_test_loud")?;
    for n in 1..=20 {
        let old = pointer.replace(Loud(n))?;
        if n == 7 {
            // Leaked, and so never dropped.
            core::mem::forget(old);
        } else {
            old.call_rcu();
        }
    }
    if leak {
        core::mem::forget(pointer);
    }
    Ok(())
}

/// More than RCU frees at a time: most are left when the module is unloaded.
fn rcu_flood() -> Result {
    let shared = shared()?;
    for _ in 0..20_000 {
        replace(&shared, true)?;
    }
    Ok(())
}

fn references() -> Result {
    let pair = Arc::try_new(Pair::new(3))?;
    let borrow = pair.as_arc_borrow();
    let copy = borrow;
    let own: Arc<Pair> = copy.into();
    check!(borrow.is_whole() && own.number == 3);
    check!(core::ptr::eq(&*borrow, &*own));
    drop(pair);
    check!(own.is_whole() && LIVE.load(Ordering::Relaxed) == 1);
    fn count(pair: ArcBorrow<'_, Pair>) -> Arc<Pair> {
        pair.into()
    }
    let other = count(own.as_arc_borrow());
    drop(own);
    check!(other.is_whole() && LIVE.load(Ordering::Relaxed) == 1);
    drop(other);
    check!(LIVE.load(Ordering::Relaxed) == 0);

    let refcount = Refcount::new(1);
    refcount.inc();
    check!(refcount.read() == 2);
    refcount.dec();
    check!(refcount.read() == 1);
    check!(refcount.dec_and_test());
    check!(refcount.read() == 0);
    refcount.set(5);
    check!(!refcount.dec_and_test() && refcount.read() == 4);
    Ok(())
}

fn saturate() -> Result {
    let refcount = Refcount::new(Refcount::MAX);
    refcount.inc();
    check!(refcount.read() < 0);
    // From here on it stays: nothing is ever freed for it.
    for _ in 0..3 {
        check!(!refcount.dec_and_test());
        refcount.inc();
        check!(refcount.read() < 0);
    }
    Ok(())
}

/// Adds under the semaphore, as two numbers that agree.
struct Adder {
    pair: Arc<RwSemaphore<(u64, u64)>>,
    done: Arc<Counters>,
}

const ROUNDS: u64 = 20_000;

fn add(pair: &RwSemaphore<(u64, u64)>) {
    let mut pair = pair.write();
    pair.0 = pair.0.wrapping_add(1);
    pair.1 = pair.1.wrapping_add(1);
}

impl WorkItem for Adder {
    fn run(&mut self) {
        for _ in 0..ROUNDS {
            add(&self.pair);
            let pair = self.pair.read();
            if pair.0 != pair.1 {
                WRONG.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.done.add();
    }
}

/// Reads under the semaphore.
struct Peeker {
    pair: Arc<RwSemaphore<(u64, u64)>>,
    done: Arc<Counters>,
}

impl WorkItem for Peeker {
    fn run(&mut self) {
        if *self.pair.read() == (0, 0) {
            self.done.add();
        }
    }
}

fn semaphore() -> Result {
    let pair = Arc::try_new(new_rwsem!((0, 0), "sync_test_rwsem")?)?;
    let done = Counters::new()?;
    let queue = Arc::try_new(Queue::new_unbound(c_str!("sync_test"))?)?;
    // Readers do not exclude each other: the other one ends while this one reads.
    let peeker = new_work!(
        queue.clone(),
        Peeker {
            pair: pair.clone(),
            done: done.clone(),
        }
    )?;
    let guard = pair.read();
    peeker.enqueue();
    done.reach(1)?;
    drop(guard);
    let adder = || {
        new_work!(
            queue.clone(),
            Adder {
                pair: pair.clone(),
                done: done.clone(),
            }
        )
    };
    let adders: [Work<Adder>; 2] = [adder()?, adder()?];
    for adder in &adders {
        adder.enqueue();
    }
    for _ in 0..ROUNDS {
        add(&pair);
        let pair = pair.read();
        check!(pair.0 == pair.1);
    }
    done.reach(3)?;
    check!(WRONG.load(Ordering::Relaxed) == 0);
    check!(*pair.read() == (3 * ROUNDS, 3 * ROUNDS));
    Ok(())
}

/// A reader of RCU that takes locks which sleep: warned of, and harmless.
fn locks_of_a_reader() -> Result {
    let mutex = new_mutex!(1, "sync_test_mutex")?;
    let semaphore = new_rwsem!(2, "sync_test_rwsem")?;
    rcu::with_read_lock(|_| {
        check!(*mutex.lock() == 1);
        check!(*semaphore.read() == 2);
        *semaphore.write() = 3;
        Ok(())
    })?;
    check!(*semaphore.read() == 3);
    Ok(())
}

/// Sleeping under a spin lock, and what allocates under it unasked.
fn spin_lock_sleeps() -> Result {
    let lock = new_spinlock_irq!(0, "sync_test_spin")?;
    let guard = lock.lock();
    check!(Arc::try_new(1).is_err());
    let mut bytes = Vec::<u8>::new();
    check!(bytes.try_reserve(100).is_err());
    drop(guard);
    check!(bytes.try_reserve(100).is_ok());
    check!(Arc::try_new(1).is_ok());
    Ok(())
}

/// A condition that takes a spin lock, and keeps it.
fn condition_keeps_lock() -> Result {
    let queue = new_wait_queue!("sync_test_queue")?;
    let lock = new_spinlock!(0, "sync_test_spin")?;
    let mut kept = None;
    let waited = queue.wait_interruptible(|| {
        kept = Some(lock.lock());
        false
    });
    check!(waited == Err(EDEADLK) && kept.is_some());
    check!(Arc::try_new(1).is_err());
    kept = None;
    check!(kept.is_none() && Arc::try_new(1).is_ok());
    Ok(())
}

/// Wakes whoever waits, every millisecond, and says when it has done so often.
struct Waker {
    queue: Arc<WaitQueue>,
    left: u32,
    woken: Arc<Counters>,
}

impl HrTimerCallback for Waker {
    fn run(&mut self) -> HrTimerRestart {
        self.queue.wake_up_all();
        self.woken.add();
        self.left = self.left.saturating_sub(1);
        if self.left == 1 {
            pr_info!("woken often\n");
        }
        HrTimerRestart::Forward(Delta::from_millis(1))
    }
}

/// Takes the mutex, and calls what is to be done with it.
type Take = fn(&Mutex<u32>, &dyn Fn());

fn by_guard(lock: &Mutex<u32>, f: &dyn Fn()) {
    let _held = lock.lock();
    f();
}

fn by_closure(lock: &Mutex<u32>, f: &dyn Fn()) {
    lock.with(|_| f());
}

/// Takes it in a condition, for which it is on the queue so many times, as each
/// time is good for one wake-up.
fn lock_on_queue(take: Take, lock: &Mutex<u32>, queue: &WaitQueue, times: u32) -> bool {
    match times.checked_sub(1) {
        Some(times) => {
            let _ = queue.wait_interruptible(|| lock_on_queue(take, lock, queue, times));
        }
        None => take(lock, &|| ()),
    }
    true
}

/// Waits for a mutex that the thread has, and is woken. This does not return.
fn taken_twice(take: Take, woken: &Arc<Counters>) -> Result {
    let lock = new_mutex!(0, "sync_test_mutex")?;
    let queue = Arc::try_new(new_wait_queue!("sync_test_queue")?)?;
    let waker = HrTimer::new(Waker {
        queue: queue.clone(),
        left: 500,
        woken: woken.clone(),
    })?;
    take(&lock, &|| {
        waker.start(Delta::from_millis(1));
        lock_on_queue(take, &lock, &queue, 10);
        pr_err!("a mutex was had twice\n");
    });
    Err(EPROTO)
}

struct Twice(Take, Arc<Counters>);

impl KThreadCallback for Twice {
    fn run(&mut self, _: &Context) {
        let _ = taken_twice(self.0, &self.1);
    }
}

/// Two threads, each with a mutex of its own, and a CPU for both: while it has
/// nothing else to do, who waits for a mutex spins for a holder that runs.
fn taken_twice_by_two() -> Result {
    let cpu = online_cpus().next().ok_or(ENODEV)?;
    let woken = Counters::new()?;
    let other = Twice(by_closure, woken.clone());
    let _other = KThread::spawn_on(cpu, c_str!("sync_test_twice"), other)?;
    // Until its warnings are in the log: two threads' at a time would be mixed there.
    woken.reach(100)?;
    taken_twice(by_guard, &woken)
}

/// What `with` lends, it lends for as long as it holds the lock.
fn closures() -> Result {
    macro_rules! holds {
        ($lock:expr) => {{
            let lock = $lock?;
            let before = lock.with(|n| {
                check!(lock.try_lock().is_none());
                let before = *n;
                *n = 8;
                Ok(before)
            })?;
            check!(before == 7 && lock.try_lock().map(|n| *n) == Some(8));
            check!(lock.with(|n| *n) == 8 && *lock.lock() == 8);
        }};
    }
    holds!(new_mutex!(7, "sync_test_mutex"));
    holds!(new_semaphore!(7, "sync_test_semaphore"));
    holds!(new_spinlock!(7, "sync_test_spin"));
    holds!(new_spinlock_irq!(7, "sync_test_spin_irq"));
    Ok(())
}

/// Adds by closures and by guards, which know of each other.
struct Mixer {
    pair: Arc<Mutex<(u64, u64)>>,
    done: Arc<Counters>,
}

fn mix(lock: &Mutex<(u64, u64)>) {
    lock.with(|pair| {
        pair.0 = pair.0.wrapping_add(1);
        // Others come, and have to wait.
        cond_resched();
        pair.1 = pair.1.wrapping_add(1);
    });
    let mut pair = lock.lock();
    if pair.0 != pair.1 {
        WRONG.fetch_add(1, Ordering::Relaxed);
    }
    pair.0 = pair.0.wrapping_add(1);
    pair.1 = pair.1.wrapping_add(1);
}

impl WorkItem for Mixer {
    fn run(&mut self) {
        for _ in 0..ROUNDS {
            mix(&self.pair);
        }
        self.done.add();
    }
}

/// And whoever waits looks at holders of both kinds.
fn closures_and_guards() -> Result {
    let pair = Arc::try_new(new_mutex!((0, 0), "sync_test_mutex")?)?;
    let done = Counters::new()?;
    let queue = Arc::try_new(Queue::new_unbound(c_str!("sync_test"))?)?;
    let mixer = || {
        new_work!(
            queue.clone(),
            Mixer {
                pair: pair.clone(),
                done: done.clone(),
            }
        )
    };
    let mixers = [mixer()?, mixer()?];
    for mixer in &mixers {
        mixer.enqueue();
    }
    for _ in 0..ROUNDS {
        mix(&pair);
    }
    done.reach(2)?;
    check!(WRONG.load(Ordering::Relaxed) == 0);
    check!(pair.with(|pair| *pair) == (6 * ROUNDS, 6 * ROUNDS));
    Ok(())
}

/// What is prepared is the writer's, until it is published, and its value is one.
fn rcu_prepared() -> Result {
    let live = || LIVE.load(Ordering::Relaxed);
    let number = |shared: &Shared| rcu::with_read_lock(|guard| shared.read(guard).number);
    let shared = shared()?;
    let mut new = rcu::Prepared::new(Pair::new(0))?;
    new.set(3);
    check!(live() == 2 && new.is_whole() && number(&shared) == 0);
    // Given up: nobody has seen it.
    drop(new);
    check!(live() == 1 && number(&shared) == 0);
    let old = shared.publish(rcu::Prepared::new(Pair::new(4))?, |new, current| {
        new.set(new.number.wrapping_add(current.number).wrapping_add(1))
    });
    check!(live() == 2 && number(&shared) == 5);
    old.synchronize_rcu();
    check!(live() == 1);
    // What is not published for lack of memory is dropped, too.
    let refused = with_irqs_disabled(|| rcu::Prepared::new(Pair::new(6)).err());
    check!(refused == Some(ENOMEM) && live() == 1);
    Ok(())
}

/// Takes in an interrupt what may be had there.
struct Taker {
    semaphores: [Arc<Semaphore<u32>>; 2],
    rwsems: [Arc<RwSemaphore<u32>>; 2],
    queue: Arc<Queue>,
    done: Arc<Counters>,
}

impl Taker {
    fn take(&self) -> Result {
        let [free, held] = &self.semaphores;
        check!(held.try_lock().is_none());
        check!(free.try_lock().map(|n| *n) == Some(1));
        free.with(|n| *n = n.wrapping_add(1));
        check!(*free.lock() == 2 && free.lock_interruptible().err() == Some(EDEADLK));
        let [free, read] = &self.rwsems;
        check!(*read.read() == 1);
        *free.write() = 2;
        check!(*free.read() == 2);
        let sum = AtomicU64::new(0);
        let took_part = self.queue.for_each(&mut [(), ()], 0..10, |_, n| {
            sum.fetch_add(n, Ordering::Relaxed);
        });
        check!(took_part == 1 && sum.into_inner() == 45);
        Ok(())
    }
}

impl TimerCallback for Taker {
    fn run(&mut self) -> TimerRestart {
        if self.take().is_ok() {
            self.done.add();
        }
        self.done.add();
        TimerRestart::NoRestart
    }
}

/// An interrupt has what is free, and not what a thread has.
fn taken_in_interrupt() -> Result {
    let done = Counters::new()?;
    let semaphore = || Arc::try_new(new_semaphore!(1, "sync_test_semaphore")?);
    let rwsem = || Arc::try_new(new_rwsem!(1, "sync_test_rwsem")?);
    let (semaphores, rwsems) = ([semaphore()?, semaphore()?], [rwsem()?, rwsem()?]);
    let timer = new_timer!(Taker {
        semaphores: semaphores.clone(),
        rwsems: rwsems.clone(),
        queue: Arc::try_new(Queue::new_unbound(c_str!("sync_test"))?)?,
        done: done.clone(),
    })?;
    let [free, held] = &semaphores;
    let [_, read] = &rwsems;
    {
        let _held = held.lock();
        let _read = read.read();
        timer.start(Delta::from_millis(1));
        done.reach(1)?;
        timer.cancel();
        check!(*done.ticks.lock() == 2);
    }
    check!(*free.lock() == 2);
    Ok(())
}

/// Waits in an interrupt for a mutex that nobody has. This does not return.
struct Locker(Mutex<u32>);

impl TimerCallback for Locker {
    fn run(&mut self) -> TimerRestart {
        pr_info!("takes a mutex\n");
        self.0.with(|_| ());
        pr_err!("an interrupt had a mutex\n");
        TimerRestart::NoRestart
    }
}

/// Comes between, so many times.
struct Observer(u32);

impl HrTimerCallback for Observer {
    fn run(&mut self) -> HrTimerRestart {
        pr_info!("another interrupt comes\n");
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            return HrTimerRestart::NoRestart;
        }
        HrTimerRestart::Forward(Delta::from_millis(20))
    }
}

/// The CPU is lost; whoever loads this is not on it any more by then.
fn locked_in_interrupt() -> Result {
    let timer = new_timer!(Locker(new_mutex!(0, "sync_test_mutex")?))?;
    let observer = HrTimer::new(Observer(5))?;
    timer.start(Delta::from_millis(2_000));
    observer.start(Delta::from_millis(2_100));
    core::mem::forget((timer, observer));
    Ok(())
}

struct Test;

impl Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        match module_parameters::case.value() {
            "nothing" => {}
            "rcu" => rcu_readers_and_writers(false)?,
            "rcu_deferred" => rcu_readers_and_writers(true)?,
            "rcu_keeps" => rcu_keeps_what_is_read()?,
            "rcu_defer" => rcu_defer(false)?,
            "rcu_leak" => rcu_defer(true)?,
            "rcu_defer_and_fail" => {
                rcu_defer(false)?;
                return Err(ENODEV);
            }
            "rcu_flood" => rcu_flood()?,
            "references" => references()?,
            "saturate" => saturate()?,
            "semaphore" => semaphore()?,
            "locks_of_a_reader" => locks_of_a_reader()?,
            "spin_lock_sleeps" => spin_lock_sleeps()?,
            "condition_keeps_lock" => condition_keeps_lock()?,
            "taken_twice" => taken_twice_by_two()?,
            "closures" => closures()?,
            "closures_and_guards" => closures_and_guards()?,
            "rcu_prepared" => rcu_prepared()?,
            "taken_in_interrupt" => taken_in_interrupt()?,
            "locked_in_interrupt" => locked_in_interrupt()?,
            other => {
                pr_err!("case={}: there is no such case\n", other);
                return Err(EINVAL);
            }
        }
        Ok(Test)
    }
}
