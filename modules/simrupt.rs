// SPDX-License-Identifier: GPL-2.0

//! A simulated interrupt source, `/dev/simrupt`.
//!
//! The way of a byte is that of data from a real device:
//!
//! ```text
//!  timer (irqs off) ──> ring ──> work ──> fifo ──> read(2)
//!        └── tasklet ─────────────^          └── wait queue
//! ```
//!
//! The timer is the interrupt: its handler makes the next byte, puts it into
//! the ring and schedules the tasklet. The tasklet queues the work. The work
//! moves what is in the ring to the fifo and wakes the readers.
//!
//! | call | argument | result | errno |
//! | --- | --- | --- | --- |
//! | open(2) | | the first one starts the timer | `ENOMEM` |
//! | read(2) | buffer | 1 byte or more, waiting for the first; 0 for an empty buffer | `EAGAIN` (`O_NONBLOCK`), `EINTR`, `EFAULT` |
//! | poll(2) | | `POLLIN` if a byte is there | |
//! | ioctl(2) `SIMRUPT_GET_STATS` | `struct simrupt_stats *` | 0 | `EFAULT` |
//! | ioctl(2), any other | | | `ENOTTY` |
//! | write(2) | | | `EINVAL` |
//! | close(2) | | the last one stops the timer and empties the pipeline | |
//!
//! Readers share the stream: each byte goes to one of them. When the fifo is
//! full, the oldest byte makes room; when the ring is full, the new one is
//! dropped; both are counted.

use lkm::{
    fs::{File, PollMask, PollTable, POLL_READABLE},
    hrtimer::{HrTimer, HrTimerCallback, HrTimerRestart},
    irq::{smp_processor_id, with_irqs_disabled},
    kfifo::Kfifo,
    miscdevice::{FileOperations, MiscDevice, MiscDeviceOptions, MiscDeviceRegistration},
    new_mutex, new_spinlock, new_spinlock_irq, new_timer, new_wait_queue, new_work,
    prelude::*,
    ring::{spsc, Consumer, Producer},
    sync::{Arc, Mutex, SpinLock, SpinLockIrq, WaitQueue},
    task::fatal_signal_pending,
    tasklet::{Tasklet, TaskletCallback},
    time::{Delta, Instant},
    timer::{Timer, TimerCallback, TimerRestart},
    uaccess::{UserSlice, UserSliceWriter},
    workqueue::{Queue, Work, WorkItem},
};

module! {
    type: Simrupt,
    name: "simrupt",
    author: "rlkm",
    description: "A simulated interrupt source",
    license: "GPL",
    params: {
        delay_ms: u32 {
            default: 100,
            range: 1..=10_000,
            permissions: 0o644,
            description: "milliseconds between two interrupts, 1 to 10000",
        },
        period_us: u32 {
            default: 0,
            permissions: 0o444,
            description: "if not 0: the same in microseconds, 10 to 1000000, by a high-resolution timer",
        },
        log: bool {
            default: true,
            permissions: 0o644,
            description: "print a line at each stage of the pipeline",
        },
    },
}

const RING_BYTES: usize = 1024;
const FIFO_BYTES: u32 = 4096;
const FIRST: u8 = uapi::SIMRUPT_FIRST as u8;
const LAST: u8 = uapi::SIMRUPT_LAST as u8;

/// Prints a stage of the pipeline and the CPU it is on, if `log` is set.
macro_rules! log {
    ($fmt:literal $($arg:tt)*) => {
        if module_parameters::log.value() {
            pr_info!(concat!("[CPU#{}] ", $fmt, "\n"), smp_processor_id() $($arg)*);
        }
    };
}

/// The end of the pipeline, where readers wait.
///
/// Lock order: `fifo`, then `stats`. With `fifo` held, `stats` agrees with it.
struct Sink {
    fifo: SpinLock<Kfifo<u8>>,
    stats: SpinLockIrq<uapi::simrupt_stats>,
    readers: WaitQueue,
}

impl Sink {
    fn new() -> Result<Self> {
        Ok(Sink {
            fifo: new_spinlock!(Kfifo::new(FIFO_BYTES)?, "simrupt_fifo")?,
            stats: new_spinlock_irq!(uapi::simrupt_stats::default(), "simrupt_stats")?,
            readers: new_wait_queue!("simrupt_readers")?,
        })
    }

    fn has_data(&self) -> bool {
        !self.fifo.lock().is_empty()
    }

    /// Adds a byte; the oldest one makes room for it.
    fn put(&self, byte: u8) {
        let mut fifo = self.fifo.lock();
        if fifo.push(byte).is_err() {
            fifo.skip(1);
            count(&mut self.stats.lock().dropped_fifo, 1);
            // There is room for one byte now.
            let _ = fifo.push(byte);
        }
    }

    /// Takes bytes for a reader, as many as there are and as fit; 0 if there
    /// are none.
    fn take(&self, buffer: &mut UserSliceWriter<'_>) -> Result<usize> {
        loop {
            let (taken, left) = self.take_nofault(buffer);
            if taken > 0 || left == 0 {
                return Ok(taken);
            }
            // The buffer's page is not in memory, and cannot be brought there
            // with the lock held. Nothing was taken yet.
            buffer.fault_in()?;
            if fatal_signal_pending() {
                return Err(EINTR);
            }
        }
    }

    /// Moves bytes from the fifo to `buffer` until one of them ends or a page
    /// is not in memory. The number of bytes that were moved, and that are left.
    fn take_nofault(&self, buffer: &mut UserSliceWriter<'_>) -> (usize, usize) {
        let mut fifo = self.fifo.lock();
        if fifo.is_empty() {
            return (0, 0);
        }
        let (first, second) = fifo.as_slices();
        let mut taken = buffer.write_nofault(first);
        if taken == first.len() && !second.is_empty() {
            taken = taken.wrapping_add(buffer.write_nofault(second));
        }
        fifo.skip(taken);
        count(&mut self.stats.lock().delivered, taken);
        (taken, fifo.len())
    }

    /// Throws away what nobody has read.
    fn clear(&self) {
        let mut fifo = self.fifo.lock();
        let unread = fifo.len();
        fifo.skip(unread);
        count(&mut self.stats.lock().dropped_close, unread);
    }

    fn stats(&self) -> uapi::simrupt_stats {
        let fifo = self.fifo.lock();
        let mut stats = *self.stats.lock();
        stats.queued = fifo.len() as u64;
        stats
    }
}

fn count(counter: &mut u64, by: usize) {
    *counter = counter.wrapping_add(by as u64);
}

fn longest(ns: &mut u64, span: Delta) {
    *ns = (*ns).max(span.as_nanos() as u64);
}

/// The top half: what runs when the interrupt comes.
struct Handler {
    next: u8,
    ring: Producer<u8>,
    tasklet: Arc<Tasklet<BottomHalf>>,
    sink: Arc<Sink>,
}

impl Handler {
    /// Called with this CPU's interrupts off.
    fn tick(&mut self) {
        let start = Instant::now();
        log!("enter timer_handler");

        log!("produce data");
        let byte = self.next;
        self.next = if byte == LAST {
            FIRST
        } else {
            byte.wrapping_add(1)
        };
        let dropped = self.ring.push(byte).is_err();

        log!("scheduling tasklet");
        self.tasklet.schedule();

        let span = start.elapsed();
        let mut stats = self.sink.stats.lock();
        count(&mut stats.ticks, 1);
        count(&mut stats.produced, 1);
        count(&mut stats.dropped_ring, dropped.into());
        longest(&mut stats.max_irq_ns, span);
        drop(stats);
        log!("timer_handler in_irq: {} usec", span.as_micros());
    }
}

/// The timer that stands for the interrupt: one of the two kinds.
enum Source {
    Timer(Timer<Handler>),
    HrTimer(HrTimer<Handler>),
}

impl Source {
    fn new(handler: Handler) -> Result<Self> {
        if period().is_some() {
            Ok(Source::HrTimer(HrTimer::new(handler)?))
        } else {
            Ok(Source::Timer(new_timer!(handler, "simrupt_timer")?))
        }
    }

    fn start(&self) {
        match self {
            Source::Timer(timer) => timer.start(delay()),
            Source::HrTimer(timer) => timer.start(period().unwrap_or_else(delay)),
        }
    }

    fn cancel(&self) {
        match self {
            Source::Timer(timer) => timer.cancel(),
            Source::HrTimer(timer) => timer.cancel(),
        }
    }
}

fn delay() -> Delta {
    Delta::from_millis(module_parameters::delay_ms.value().into())
}

fn period() -> Option<Delta> {
    match module_parameters::period_us.value() {
        0 => None,
        micros => Some(Delta::from_micros(micros.into())),
    }
}

impl TimerCallback for Handler {
    /// Timers run in softirq context; an interrupt handler has interrupts off.
    fn run(&mut self) -> TimerRestart {
        with_irqs_disabled(|| self.tick());
        TimerRestart::Restart(delay())
    }
}

impl HrTimerCallback for Handler {
    /// A real interrupt: interrupts are off already.
    fn run(&mut self) -> HrTimerRestart {
        self.tick();
        match period() {
            Some(period) => HrTimerRestart::Forward(period),
            None => HrTimerRestart::NoRestart,
        }
    }
}

/// What the handler leaves for just after the interrupt.
struct BottomHalf {
    work: Arc<Work<Mover>>,
    sink: Arc<Sink>,
}

impl TaskletCallback for BottomHalf {
    fn run(&mut self) {
        let start = Instant::now();
        // Held to the end, so that what the work says comes after this.
        let mut stats = self.sink.stats.lock();
        self.work.enqueue();

        let span = start.elapsed();
        count(&mut stats.tasklet_runs, 1);
        longest(&mut stats.max_softirq_ns, span);
        log!("simrupt_tasklet_func in_softirq: {} usec", span.as_micros());
    }
}

/// What is left for a kernel thread.
struct Mover {
    ring: Consumer<u8>,
    sink: Arc<Sink>,
}

impl WorkItem for Mover {
    fn run(&mut self) {
        count(&mut self.sink.stats.lock().work_runs, 1);
        log!("simrupt_work_func");
        while let Some(byte) = self.ring.pop() {
            self.sink.put(byte);
        }
        self.sink.readers.wake_up_all();
    }
}

/// The stages, and how many files are open.
///
/// Dropped from top to bottom: timer, tasklet, work, memory. Each stage owns
/// the next one, so there is no other order in which they could go.
struct Pipeline {
    source: Source,
    tasklet: Arc<Tasklet<BottomHalf>>,
    work: Arc<Work<Mover>>,
    openers: usize,
}

impl Pipeline {
    fn new(sink: &Arc<Sink>) -> Result<Self> {
        let (producer, consumer) = spsc(RING_BYTES)?;
        let mover = Mover {
            ring: consumer,
            sink: sink.clone(),
        };
        let queue = Arc::try_new(Queue::new_unbound(c_str!("simrupt"))?)?;
        let work = Arc::try_new(new_work!(queue, mover, "simrupt_work")?)?;
        let tasklet = Arc::try_new(Tasklet::new(BottomHalf {
            work: work.clone(),
            sink: sink.clone(),
        })?)?;
        let source = Source::new(Handler {
            next: FIRST,
            ring: producer,
            tasklet: tasklet.clone(),
            sink: sink.clone(),
        })?;
        Ok(Pipeline {
            source,
            tasklet,
            work,
            openers: 0,
        })
    }

    /// Stops the source, and waits until its last byte has gone all the way.
    fn stop(&self) {
        self.source.cancel();
        self.tasklet.kill();
        self.work.flush();
    }
}

struct Device {
    pipeline: Mutex<Pipeline>,
    sink: Arc<Sink>,
}

/// An open file.
struct Reader {
    device: Arc<Device>,
}

impl MiscDevice for Reader {
    type Shared = Arc<Device>;
    const FILE_OPERATIONS: FileOperations<Self> = FileOperations {
        read: Some(Self::read),
        ioctl: Some(Self::ioctl),
        poll: Some(Self::poll),
        ..FileOperations::NONE
    };

    fn open(device: &Arc<Device>, _file: &File) -> Result<Self> {
        let mut pipeline = device.pipeline.lock();
        if pipeline.openers == 0 {
            pipeline.source.start();
        }
        pipeline.openers = pipeline.openers.wrapping_add(1);
        Ok(Reader {
            device: device.clone(),
        })
    }
}

impl Reader {
    fn read(&self, file: &File, buffer: &mut UserSliceWriter<'_>, _: &mut i64) -> Result<usize> {
        let sink = &self.device.sink;
        loop {
            let taken = sink.take(buffer)?;
            if taken > 0 {
                return Ok(taken);
            }
            if file.is_nonblocking() {
                return Err(EAGAIN);
            }
            // Without a lock, so that a sleeper is in nobody's way. Another
            // reader may have been faster when this one wakes.
            sink.readers.wait_interruptible(|| sink.has_data())?;
        }
    }

    fn ioctl(&self, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        match cmd {
            uapi::SIMRUPT_GET_STATS => {
                let stats = self.device.sink.stats();
                let to = UserSlice::new(arg, core::mem::size_of_val(&stats));
                to.writer().write(&stats)?;
                Ok(0)
            }
            _ => Err(ENOTTY),
        }
    }

    fn poll<'file>(&'file self, _file: &File, table: &mut PollTable<'file>) -> PollMask {
        table.register(&self.device.sink.readers);
        if self.device.sink.has_data() {
            POLL_READABLE
        } else {
            0
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut pipeline = self.device.pipeline.lock();
        pipeline.openers = pipeline.openers.wrapping_sub(1);
        if pipeline.openers == 0 {
            pipeline.stop();
            self.device.sink.clear();
        }
    }
}

struct Simrupt {
    _registration: MiscDeviceRegistration<Reader>,
}

impl Module for Simrupt {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        if !matches!(module_parameters::period_us.value(), 0 | 10..=1_000_000) {
            pr_err!("period_us must be 0 or from 10 to 1000000\n");
            return Err(EINVAL);
        }
        let sink = Arc::try_new(Sink::new()?)?;
        let pipeline = new_mutex!(Pipeline::new(&sink)?, "simrupt_pipeline")?;
        let device = Arc::try_new(Device { pipeline, sink })?;
        // Last: from here on, there are openers.
        let options = MiscDeviceOptions {
            name: c_str!("simrupt"),
            mode: 0o600,
        };
        Ok(Simrupt {
            _registration: MiscDeviceRegistration::register(options, device)?,
        })
    }
}
