// SPDX-License-Identifier: GPL-2.0

//! What `lkm` promises, tried from safe code; tests/lkm.rs loads it.
//!
//! `case=NAME` says what init does. An error of init is what insmod returns;
//! a promise that is broken is a line and `EPROTO`.

use core::fmt;
use lkm::{
    error::to_result,
    fs::File,
    hrtimer::{HrTimer, HrTimerCallback, HrTimerRestart},
    irq::with_irqs_disabled,
    kfifo::Kfifo,
    kvec::KVVec,
    miscdevice::{FileOperations, MiscDevice, MiscDeviceOptions, MiscDeviceRegistration},
    new_mutex, new_semaphore, new_spinlock, new_spinlock_irq, new_timer, new_work,
    prelude::*,
    ring::spsc,
    str::CStr,
    sync::{Arc, Mutex},
    tasklet::{Tasklet, TaskletCallback},
    time::{Delta, Instant},
    timer::{Timer, TimerCallback, TimerRestart},
    uaccess::{UserSlice, UserSliceReader, UserSliceWriter},
    workqueue::{Queue, Work, WorkItem},
};

module! {
    type: Test,
    name: "lkm_test",
    author: "rlkm",
    description: "Tries what lkm promises",
    license: "GPL",
    params: {
        case: str {
            default: "nothing",
            permissions: 0o444,
            description: "what init does",
        },
        flag: bool {
            default: false,
            permissions: 0o644,
            description: "a bool",
        },
        small: u8 {
            default: 7,
            permissions: 0o644,
            description: "a number of 8 bits",
        },
        signed: i64 {
            default: -1,
            range: -5..=5,
            permissions: 0o644,
            description: "a number with a sign",
        },
        large: u64 {
            default: u64::MAX,
            permissions: 0o600,
            description: "a number of 64 bits",
        },
    },
}

#[macro_use]
#[path = "common/promises.rs"]
mod promises;
#[path = "lkm_test/arrays.rs"]
mod arrays;
#[path = "lkm_test/cpus.rs"]
mod cpus;
#[path = "lkm_test/oops.rs"]
mod oops;
#[path = "lkm_test/sorting.rs"]
mod sorting;
#[path = "lkm_test/threads.rs"]
mod threads;

use promises::Counters;

impl Counters {
    /// Waits until there were `count` more callbacks.
    fn wait(&self, count: u64) -> Result {
        let now = *self.ticks.lock();
        self.reach(now.wrapping_add(count))
    }
}

/// A callback of every kind, each of which makes the next one run.
struct Again {
    counters: Arc<Counters>,
    next: Option<Arc<Tasklet<ToWork>>>,
}

impl Again {
    fn run(&mut self) {
        self.counters.add();
        if let Some(tasklet) = &self.next {
            tasklet.schedule();
        }
    }
}

impl TimerCallback for Again {
    fn run(&mut self) -> TimerRestart {
        Again::run(self);
        TimerRestart::Restart(Delta::from_millis(1))
    }
}

impl HrTimerCallback for Again {
    fn run(&mut self) -> HrTimerRestart {
        Again::run(self);
        HrTimerRestart::Forward(Delta::from_micros(50))
    }
}

struct ToWork {
    counters: Arc<Counters>,
    work: Arc<Work<Item>>,
}

impl TaskletCallback for ToWork {
    fn run(&mut self) {
        self.counters.add();
        self.work.enqueue();
    }
}

struct Item(Arc<Counters>);

impl WorkItem for Item {
    fn run(&mut self) {
        self.0.add();
    }
}

/// A node that counts its open files.
struct Node {
    open: Arc<Counters>,
}

impl MiscDevice for Node {
    type Shared = Arc<Counters>;
    const FILE_OPERATIONS: FileOperations<Self> = FileOperations {
        read: Some(Self::read),
        write: Some(Self::write),
        ioctl: Some(Self::ioctl),
        ..FileOperations::NONE
    };

    fn open(open: &Arc<Counters>, _file: &File) -> Result<Self> {
        open.add();
        Ok(Node { open: open.clone() })
    }
}

impl Node {
    /// Takes a message of at most 16 bytes.
    fn write(&self, _: &File, buffer: &mut UserSliceReader<'_>, _: &mut i64) -> Result<usize> {
        // Waits for a page, or would, with interrupts off.
        if buffer.len() == 101 {
            return with_irqs_disabled(|| buffer.read_slice(&mut [0; 101]).map(|()| 101));
        }
        let mut message = [0; 16];
        let len = buffer.len();
        let message = message.get_mut(..len).ok_or(EMSGSIZE)?;
        buffer.read_slice(message)?;
        if !buffer.is_empty() || buffer.read_slice(&mut [0]).is_ok() {
            return Err(EPROTO);
        }
        pr_info!(
            "message of {} bytes, from {:?} to {:?}\n",
            len,
            message.first(),
            message.last()
        );
        Ok(len)
    }

    /// Reads one byte more than there is room for, which must be refused.
    fn read(&self, _: &File, buffer: &mut UserSliceWriter<'_>, _: &mut i64) -> Result<usize> {
        match buffer.len() {
            // Says that it has written more than it has.
            100 => return buffer.write_slice(&[b'x'; 8]).map(|()| 100),
            // Waits for a page, or would, with interrupts off.
            101 => return with_irqs_disabled(|| buffer.write_slice(b"x").map(|()| 1)),
            // Writes with a spin lock held, to what may not be there.
            102 => {
                let lock = new_spinlock!(())?;
                loop {
                    let held = lock.lock();
                    let written = buffer.write_nofault(&[b'x'; 8]);
                    drop(held);
                    if written > 0 {
                        return Ok(written);
                    }
                    buffer.fault_in()?;
                }
            }
            // Leaves what it was given, and takes something else.
            103 => {
                buffer.write_slice(b"xy")?;
                *buffer = UserSlice::new(8, 103).writer();
                return Ok(2);
            }
            _ => {}
        }
        let room = buffer.len().min(8);
        let bytes = [b'x'; 9];
        if room < 8 && buffer.write_slice(&bytes) != Err(EFAULT) {
            return Err(EPROTO);
        }
        buffer.write_slice(bytes.get(..room).ok_or(EPROTO)?)?;
        Ok(room)
    }

    fn ioctl(&self, _: &File, cmd: u32, arg: usize) -> Result<isize> {
        match cmd {
            // From a worker, that has no user memory.
            0x4c01 => {
                struct Stranger(usize, Arc<Counters>, bool);
                impl WorkItem for Stranger {
                    fn run(&mut self) {
                        let mut writer = UserSlice::new(self.0, 8).writer();
                        self.2 = writer.fault_in() == Err(EFAULT);
                        if self.2 {
                            self.1.add();
                        }
                    }
                }
                let ran = Counters::new()?;
                let queue = Arc::try_new(Queue::new_unbound(c_str!("lkm_test"))?)?;
                let stranger = Stranger(arg, ran.clone(), false);
                let work = new_work!(queue, stranger, "lkm_test_stranger")?;
                work.enqueue();
                work.flush();
                let refused = *ran.ticks.lock() == 1;
                Ok(refused.into())
            }
            // With interrupts off, where nobody may wait for a page.
            0x4c02 => {
                let result = with_irqs_disabled(|| {
                    let written = UserSlice::new(arg, 8).writer().write_slice(&[1; 8]);
                    let read = UserSlice::new(arg, 8).reader().read_slice(&mut [0; 8]);
                    (written, read)
                });
                Ok((result == (Err(EFAULT), Err(EFAULT))).into())
            }
            _ => Err(ENOTTY),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.open.add();
    }
}

/// Whoever opens it would register a node, and remove another, which wait until
/// it is open.
struct Reentrant;

type OtherNode = Mutex<Option<MiscDeviceRegistration<Reentrant>>>;

impl Reentrant {
    fn register(name: &'static CStr, other: OtherNode) -> Result<MiscDeviceRegistration<Self>> {
        MiscDeviceRegistration::register(MiscDeviceOptions { name, mode: 0o600 }, other)
    }
}

impl MiscDevice for Reentrant {
    type Shared = OtherNode;
    const FILE_OPERATIONS: FileOperations<Self> = FileOperations::NONE;

    fn open(other: &OtherNode, _file: &File) -> Result<Self> {
        let third = Self::register(c_str!("lkm_test_third"), new_mutex!(None)?);
        let removed = other.lock().take().is_some();
        pr_info!("in open: {:?}, {}\n", third.err(), removed);
        Ok(Reentrant)
    }
}

/// Of 256 bytes, and the one that ends it.
static TOO_LONG: [u8; 257] = {
    let mut name = [b'x'; 257];
    name[256] = 0;
    name
};

fn name_too_long() -> Result {
    let name = CStr::from_bytes_with_nul(&TOO_LONG).ok_or(EPROTO)?;
    check!(Reentrant::register(name, new_mutex!(None)?).err() == Some(EINVAL));
    check!(cpus::name_too_long(name) == Some(EINVAL));
    Ok(())
}

fn registers_in_open() -> Result<MiscDeviceRegistration<Reentrant>> {
    let other = Reentrant::register(c_str!("lkm_test_other"), new_mutex!(None)?)?;
    Reentrant::register(c_str!("lkm_test"), new_mutex!(Some(other))?)
}

/// One of everything that calls back, running.
struct Everything {
    _timer: Timer<Again>,
    _hrtimer: HrTimer<Again>,
    _tasklet: Arc<Tasklet<ToWork>>,
    _work: Arc<Work<Item>>,
    _node: MiscDeviceRegistration<Node>,
    counters: Arc<Counters>,
    opens: Arc<Counters>,
}

impl Everything {
    fn start() -> Result<Self> {
        let counters = Counters::new()?;
        let opens = Counters::new()?;
        let queue = Arc::try_new(Queue::new_unbound(c_str!("lkm_test"))?)?;
        let work = Arc::try_new(new_work!(queue, Item(counters.clone()), "lkm_test_work")?)?;
        let tasklet = Arc::try_new(Tasklet::new(ToWork {
            counters: counters.clone(),
            work: work.clone(),
        })?)?;
        let again = || Again {
            counters: counters.clone(),
            next: Some(tasklet.clone()),
        };
        let timer = new_timer!(again(), "lkm_test_timer")?;
        let hrtimer = HrTimer::new(again())?;
        timer.start(Delta::from_millis(1));
        hrtimer.start(Delta::from_micros(50));
        let options = MiscDeviceOptions {
            name: c_str!("lkm_test"),
            mode: 0o600,
        };
        let node = MiscDeviceRegistration::register(options, opens.clone())?;
        counters.wait(20)?;
        Ok(Everything {
            _timer: timer,
            _hrtimer: hrtimer,
            _tasklet: tasklet,
            _work: work,
            _node: node,
            counters,
            opens,
        })
    }
}

fn locks() -> Result {
    let mutex = new_mutex!(1)?;
    let spin = new_spinlock!(2, "lkm_test_spin")?;
    let irq = new_spinlock_irq!(3, "lkm_test_irq")?;
    {
        let mut held = mutex.lock();
        check!(mutex.try_lock().is_none());
        *held = 10;
    }
    check!(mutex.try_lock().map(|value| *value) == Some(10));
    let semaphore = new_semaphore!(4)?;
    for again in 0..2 {
        let mut held = semaphore.lock_interruptible()?;
        check!(semaphore.try_lock().is_none() && *held == 4 + again);
        *held += 1;
    }
    check!(*semaphore.lock() == 6);
    check!(semaphore.try_lock().is_some());
    {
        let _held = spin.lock();
        check!(spin.try_lock().is_none());
    }
    check!(spin.try_lock().map(|value| *value) == Some(2));
    {
        let _held = irq.try_lock();
        check!(irq.try_lock().is_none());
    }
    check!(*irq.lock() == 3);
    check!(with_irqs_disabled(|| *irq.lock()) == 3);
    Ok(())
}

#[derive(Clone, Copy)]
#[repr(align(16))]
struct Aligned([u8; 48]);

fn queues() -> Result {
    check!(Kfifo::<u32>::new(0).is_err());
    check!(Kfifo::<()>::new(8).is_err());
    let mut fifo = Kfifo::<[u8; 3]>::new(3)?;
    for n in 0..4 {
        check!(fifo.push([n; 3]).is_ok());
    }
    check!(fifo.push([9; 3]) == Err([9; 3]));
    check!(fifo.as_slices() == (&[[0; 3], [1; 3], [2; 3], [3; 3]][..], &[][..]));
    check!(fifo.pop() == Some([0; 3]) && fifo.len() == 3);
    fifo.skip(2);
    check!(fifo.push([4; 3]).is_ok() && fifo.push([5; 3]).is_ok());
    check!(fifo.as_slices() == (&[[3; 3]][..], &[[4; 3], [5; 3]][..]));
    check!(fifo.pop() == Some([3; 3]) && fifo.as_slices() == (&[[4; 3], [5; 3]][..], &[][..]));
    fifo.skip(usize::MAX);
    check!(fifo.is_empty() && fifo.pop().is_none() && fifo.as_slices() == (&[][..], &[][..]));
    check!(Kfifo::<Aligned>::new(8).is_err());

    let (mut producer, mut consumer) = spsc(2)?;
    let count = Arc::try_new(())?;
    check!(producer.push(count.clone()).is_ok() && producer.push(count.clone()).is_ok());
    check!(producer.push(count).is_err());
    check!(consumer.pop().is_some() && consumer.pop().is_some() && consumer.pop().is_none());
    check!(spsc::<u8>(usize::MAX).is_err() && spsc::<u8>(1 << 40).is_err());
    check!(Kfifo::<u64>::new(u32::MAX).is_err() && Kfifo::<u64>::new(1 << 30).is_err());
    Ok(())
}

fn values() -> Result {
    check!(to_result(0) == Ok(()) && to_result(5) == Ok(()));
    check!(to_result(-22) == Err(EINVAL) && EINVAL.name() == "EINVAL");
    check!(Error::from_errno(-4095) == EINVAL && Error::from_errno(7) == EINVAL);
    check!(Error::from_errno(-512) == ERESTARTSYS);
    check!(CStr::from_bytes_with_nul(b"a\0b\0").is_none());
    check!(CStr::from_bytes_with_nul(b"ab").is_none());
    check!(c_str!("ab").as_bytes() == b"ab" && c_str!("").to_str() == Ok(""));
    pr_info!("{} is {:?}\n", c_str!("tab\there"), EINVAL);
    check!(Delta::from_millis(i64::MAX).as_nanos() == i64::MAX);
    check!(Delta::from_micros(1_500).as_micros() == 1_500);
    let start = Instant::now();
    check!(start.elapsed() >= Delta::from_nanos(0) && Instant::now() >= start);
    Ok(())
}

/// Says more than it has room for, and does not mind.
struct Endless;

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for _ in 0..10_000 {
            let _ = f.write_str("never ending, ");
        }
        Ok(())
    }
}

/// printk() takes the length that is asked for, and 12 bytes more, for a
/// number of 16 bits.
fn long_lines() {
    for length in [1 << 10, 0xfff2, 0xfff3, 0xfff4, 1 << 16, 1 << 20] {
        pr_info!("{:1$}", '|', length);
        pr_debug!("{:1$}", '|', length);
    }
    pr_info!("{:\u{20ac}>2000}\n", '|');
    pr_info!("{}\n", Endless);
    pr_info!("short\n");
}

/// Each one is dropped while it is armed, or runs, or is about to re-arm.
fn drop_while_running() -> Result {
    let counters = Counters::new()?;
    for round in 0..200 {
        let again = || Again {
            counters: counters.clone(),
            next: None,
        };
        let timer = new_timer!(again(), "lkm_test_timer")?;
        let hrtimer = HrTimer::new(again())?;
        timer.start(Delta::from_millis(1));
        hrtimer.start(Delta::from_micros(50));
        counters.wait(round % 3)?;
        drop(timer);
        hrtimer.cancel();
        let after = *counters.ticks.lock();
        drop(hrtimer);
        check!(*counters.ticks.lock() == after);
    }
    Ok(())
}

/// Tries all that may sleep in a softirq.
struct Sleeper {
    counters: Arc<Counters>,
    mutex: Mutex<u32>,
    other: Option<HrTimer<Again>>,
    work: Arc<Work<Item>>,
}

impl TimerCallback for Sleeper {
    fn run(&mut self) -> TimerRestart {
        let waited = self.counters.moved.wait_interruptible(|| false);
        let allocated = Arc::try_new(0).map(|_| ());
        let made = HrTimer::new(Again {
            counters: self.counters.clone(),
            next: None,
        });
        pr_info!("refused: {:?} {:?} {:?}\n", waited, allocated, made.err());
        pr_info!("refused a mutex: {}\n", self.mutex.try_lock().is_none());
        self.work.flush();
        // It is stopped when the module goes.
        self.other = None;
        self.counters.add();
        TimerRestart::NoRestart
    }
}

/// What waits for a worker, for a callback, or for a mapping to go.
fn drop_with_irqs_off() -> Result {
    let counters = Counters::new()?;
    let timer = HrTimer::new(Again {
        counters,
        next: None,
    })?;
    let queue = Queue::new_unbound(c_str!("lkm_test"))?;
    let array = KVVec::<u8>::with_capacity(8 << 20)?;
    let small = KVVec::<u8>::with_capacity(8)?;
    with_irqs_disabled(|| drop((timer, queue, array, small)));
    Ok(())
}

fn sleep_in_interrupt() -> Result {
    let counters = Counters::new()?;
    let ticks = Counters::new()?;
    let other = HrTimer::new(Again {
        counters: ticks.clone(),
        next: None,
    })?;
    other.start(Delta::from_micros(50));
    let queue = Arc::try_new(Queue::new_unbound(c_str!("lkm_test"))?)?;
    let timer = new_timer!(
        Sleeper {
            counters: counters.clone(),
            mutex: new_mutex!(0)?,
            other: Some(other),
            work: Arc::try_new(new_work!(queue, Item(ticks.clone()))?)?,
        },
        "lkm_test_sleeper"
    )?;
    timer.start(Delta::from_millis(1));
    counters.reach(1)?;
    drop(timer);
    // What was dropped in the interrupt still runs, as one could not wait there.
    ticks.wait(10)
}

struct Test {
    _everything: Option<Everything>,
    _hotplug: Option<cpus::Hotplug>,
    _reentrant: Option<MiscDeviceRegistration<Reentrant>>,
}

impl Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut everything = None;
        let mut hotplug = None;
        let mut reentrant = None;
        match module_parameters::case.value() {
            "nothing" => {}
            "locks" => locks()?,
            "queues" => queues()?,
            "values" => values()?,
            "name_too_long" => name_too_long()?,
            "long_lines" => long_lines(),
            "sleep_in_interrupt" => sleep_in_interrupt()?,
            "drop_with_irqs_off" => drop_with_irqs_off()?,
            "drop_while_running" => drop_while_running()?,
            "registers_in_open" => reentrant = Some(registers_in_open()?),
            "everything" => everything = Some(Everything::start()?),
            // Safe code can leak every handle, and be unloaded.
            "leak" => core::mem::forget(Everything::start()?),
            "leak_and_fail" => {
                core::mem::forget(Everything::start()?);
                return Err(ENODEV);
            }
            // A node is opened in the moment for which it is there.
            "fail_with_opener" => {
                let all = Everything::start()?;
                all.opens.reach(1)?;
                all.counters.wait(1)?;
                return Err(ENODEV);
            }
            "cpus" => cpus::cpus()?,
            "percpu" => cpus::percpu()?,
            "counters" => cpus::counters()?,
            "arrays" => arrays::arrays()?,
            "threads" => threads::threads()?,
            "stop_before_run" => threads::stop_before_run()?,
            "drop_own_handle" => threads::drop_own_handle()?,
            "cpus_in_interrupt" => cpus::in_interrupt()?,
            "hotplug" => hotplug = Some(cpus::Hotplug::setup()?),
            "leak_cpus" => cpus::leak()?,
            "leak_cpus_and_fail" => {
                cpus::leak()?;
                return Err(ENODEV);
            }
            "sorting" => sorting::sorting()?,
            "memory" => sorting::memory()?,
            "sharing" => sorting::sharing()?,
            "sharing_with_irqs_off" => sorting::sharing_with_irqs_off()?,
            "oops" => pr_info!("{}\n", oops::oops(module_parameters::small.value())),
            other => {
                pr_err!("case={}: there is no such case\n", other);
                return Err(EINVAL);
            }
        }
        pr_info!(
            "flag {} small {} signed {} large {}\n",
            module_parameters::flag.value(),
            module_parameters::small.value(),
            module_parameters::signed.value(),
            module_parameters::large.value()
        );
        Ok(Test {
            _everything: everything,
            _hotplug: hotplug,
            _reentrant: reentrant,
        })
    }
}
