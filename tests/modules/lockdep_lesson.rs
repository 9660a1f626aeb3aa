// SPDX-License-Identifier: GPL-2.0

//! What lockdep finds: locks that are taken in ways which may deadlock, and
//! never do so here.
//!
//! lockdep knows a lock by its class: all that are made at one place (`new_…!`)
//! are of one class, with the name that is given there. It keeps which class
//! was taken under which, and says so at the first time that two of them could
//! block each other, whether they do or not. It says one thing for each boot:
//! after its first report it is off.
//!
//! | `lesson=` | takes | what lockdep says |
//! | --- | --- | --- |
//! | `one_order` | two mutexes, twice in the same order | nothing |
//! | `both_orders` | two mutexes, then the same in the other order | "possible circular locking dependency detected" |
//! | `twice` | a read-write semaphore, and under it the same | "possible recursive locking detected" |
//! | `siblings` | a spin lock, and under it one of the same class | "possible recursive locking detected" |
//! | `leaked` | locks that it keeps for ever, and drops | "still has locks held!", when it ends |
//! | `classes` | one lock of each kind | nothing |
//!
//! tests/detectors loads it on a kernel with `CONFIG_PROVE_LOCKING`.

use core::mem::forget;
use lkm::{
    new_mutex, new_rcu_pointer, new_rwsem, new_semaphore, new_spinlock, new_spinlock_irq,
    new_timer, new_wait_queue, new_work,
    prelude::*,
    sync::{Arc, Mutex, RwSemaphore, Semaphore, SpinLock},
    time::Delta,
    timer::{TimerCallback, TimerRestart},
    workqueue::{Queue, WorkItem},
};

module! {
    type: Lesson,
    name: "lockdep_lesson",
    author: "rlkm",
    description: "Takes locks as one must not, and never blocks",
    license: "GPL",
    params: {
        lesson: str {
            default: "one_order",
            permissions: 0o444,
            description: "what init does",
        },
    },
}

/// Two locks, each of a class of its own.
struct Pair {
    first: Mutex<()>,
    second: Mutex<()>,
}

impl Pair {
    fn new() -> Result<Self> {
        Ok(Pair {
            first: new_mutex!((), "lesson_first")?,
            second: new_mutex!((), "lesson_second")?,
        })
    }

    fn second_under_first(&self) {
        let _first = self.first.lock();
        let _second = self.second.lock();
    }

    fn first_under_second(&self) {
        let _second = self.second.lock();
        let _first = self.first.lock();
    }
}

fn one_order() -> Result {
    let pair = Pair::new()?;
    pair.second_under_first();
    pair.second_under_first();
    Ok(())
}

/// Two threads that do this at a time can have one lock each, and wait for the
/// other's for ever. One thread cannot.
fn both_orders() -> Result {
    let pair = Pair::new()?;
    pair.second_under_first();
    pair.first_under_second();
    Ok(())
}

/// Both readers get it, unless a writer comes between them: he waits for the
/// first, and the second for him. There are no writers here.
fn twice() -> Result {
    let lock = new_rwsem!((), "lesson_twice")?;
    let _held = lock.read();
    let _again = lock.read();
    Ok(())
}

/// Two places are two classes, even of the same name; this is one place.
fn sibling() -> Result<SpinLock<()>> {
    new_spinlock!((), "lesson_sibling")
}

/// These are two locks. But nothing says which of such two is taken first: the
/// next thread may have them in its hands the other way around.
fn siblings() -> Result {
    let (one, other) = (sibling()?, sibling()?);
    let _one = one.lock();
    let _other = other.lock();
    Ok(())
}

type Locks = (Mutex<()>, Semaphore<()>, RwSemaphore<()>);

/// The last to have some locks, until it runs.
struct LastOwner(Option<Arc<Locks>>);

impl WorkItem for LastOwner {
    fn run(&mut self) {
        self.0 = None;
    }
}

/// lockdep keeps a list of what a thread holds, and goes through it when an older
/// lock is released. So what is on it is not freed, even by another thread.
fn leaked() -> Result {
    let older = new_mutex!((), "lesson_older")?;
    let locks = Arc::try_new((
        new_mutex!((), "lesson_mutex")?,
        new_semaphore!((), "lesson_semaphore")?,
        new_rwsem!((), "lesson_rwsem")?,
    ))?;
    let queue = Arc::try_new(Queue::new_unbound(c_str!("lesson_queue"))?)?;
    let last = new_work!(queue, LastOwner(Some(locks.clone())), "lesson_work")?;

    let held = older.lock();
    forget((locks.0.lock(), locks.1.lock(), locks.2.write()));
    drop(locks);
    last.enqueue();
    last.flush();
    drop(held);
    Ok(())
}

struct Nothing;

impl TimerCallback for Nothing {
    fn run(&mut self) -> TimerRestart {
        TimerRestart::NoRestart
    }
}

impl WorkItem for Nothing {
    fn run(&mut self) {}
}

/// lockdep learns of a class when its first lock is taken.
fn classes() -> Result {
    for _ in 0..8 {
        drop(new_mutex!((), "lesson_loop")?.lock());
    }
    drop(new_mutex!((), "lesson_place")?.lock());
    drop(new_mutex!((), "lesson_place")?.lock());
    drop(new_mutex!(())?.lock());

    drop(new_mutex!((), "lesson_mutex")?.lock());
    drop(new_semaphore!((), "lesson_semaphore")?.lock());
    drop(new_rwsem!((), "lesson_rwsem")?.write());
    drop(new_spinlock!((), "lesson_spinlock")?.lock());
    drop(new_spinlock_irq!((), "lesson_spinlock_irq")?.lock());
    drop(new_rcu_pointer!((), "lesson_rcu_pointer")?.replace(()));
    // What waits for these to end waits as for a lock.
    new_wait_queue!("lesson_wait_queue")?.wake_up_all();
    new_timer!(Nothing, "lesson_timer")?.start(Delta::from_millis(0));
    let queue = Arc::try_new(Queue::new_unbound(c_str!("lesson_queue"))?)?;
    new_work!(queue, Nothing, "lesson_work")?.enqueue();
    Ok(())
}

struct Lesson;

impl Module for Lesson {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        match module_parameters::lesson.value() {
            "one_order" => one_order()?,
            "both_orders" => both_orders()?,
            "twice" => twice()?,
            "siblings" => siblings()?,
            "leaked" => leaked()?,
            "classes" => classes()?,
            other => {
                pr_err!("lesson={}: there is no such lesson\n", other);
                return Err(EINVAL);
            }
        }
        Ok(Lesson)
    }
}
