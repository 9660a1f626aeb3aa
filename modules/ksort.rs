// SPDX-License-Identifier: GPL-2.0

//! `/dev/ksort`: sorts numbers, on several CPUs if there are many of them.
//!
//! Each open file is a session of its own: a set of numbers, and how it is to
//! be sorted. What is written is added to the set; the first read sorts it.
//!
//! | call | argument | result | errno |
//! | --- | --- | --- | --- |
//! | write(2), pwrite(2) | any bytes | all of them; the read position is 0 again | `EFBIG` over `max_mib`, `ENOMEM`, `EFAULT` |
//! | read(2), pread(2) | buffer | the sorted set from the position on; 0 at its end | `EINVAL` if there is a part of a number at the end, `ENOMEM`, `EFAULT`, `EINTR` |
//! | lseek(2) | `SEEK_SET`, `SEEK_CUR` | the new position | `EINVAL` |
//! | poll(2) | | always `POLLIN` and `POLLOUT` | epoll(7): `EPERM` |
//! | ioctl(2) `KSORT_GET_TYPE`, `_ORDER`, `_ALGORITHM` | `__u32 *` | 0 | `EFAULT` |
//! | ioctl(2) `KSORT_SET_TYPE`, `_ORDER`, `_ALGORITHM` | `const __u32 *` | 0 | `EINVAL` for a value there is not, `EFAULT`; `EBUSY` for another type while the set is not empty |
//! | ioctl(2) `KSORT_GET_STATS` | `struct ksort_stats *` | 0 | `EFAULT` |
//! | ioctl(2), any other | | | `ENOTTY` |
//!
//! While another thread has the session busy, all wait for it: a signal ends that
//! with `EINTR` (or has it begin again, if its handler is with `SA_RESTART`), and
//! with `O_NONBLOCK` it is `EAGAIN` at once. A sort ends for a fatal signal only. A read or write of 0
//! bytes is 0 and does nothing. What fails changes nothing: a write adds all
//! its bytes or none, and no byte is lost by a read that fails.
//!
//! The first write after a read starts a new set. A set that was read can be
//! read again, after lseek(2) or by pread(2); if it is to be sorted in another
//! way by now, it is sorted again.
//!
//! The position is that of reads, in bytes. A write adds to the end whatever the
//! position is, and then puts it back to 0. pwrite(2) does the same with an
//! offset that makes no difference, but POSIX has it leave the position alone.
//!
//! How it is sorted is in `ksort/sort.rs`, and knows nothing of the kernel. The
//! faster algorithms need as much memory again while they run: without it `auto`
//! takes one that does not, and those that were asked for are `ENOMEM`.

#[path = "ksort/sort.rs"]
mod sort;

use core::mem::swap;
use lkm::{
    cpumask::num_online_cpus,
    fs::File,
    kvec::KVVec,
    miscdevice::{FileOperations, MiscDevice, MiscDeviceOptions, MiscDeviceRegistration},
    new_semaphore,
    prelude::*,
    sync::{Arc, Guard, Semaphore, SemaphoreBackend},
    task::{cond_resched, with_current, Task},
    time::{Delta, Instant},
    transmute::{from_bytes_mut, AsBytes, FromBytes},
    uaccess::{UserSlice, UserSliceReader, UserSliceWriter},
    workqueue::Queue,
};
use sort::{parallel, radix, Algorithm, Outcome, Platform, Word};

module! {
    type: Ksort,
    name: "ksort",
    author: "rlkm",
    description: "A device that sorts numbers",
    license: "GPL",
    params: {
        max_mib: u32 {
            default: 64,
            range: 1..=256,
            permissions: 0o644,
            description: "the largest set of a session, in MiB, 1 to 256",
        },
        mode: octal {
            default: 0o600,
            permissions: 0o444,
            description: "permissions of the node, in octal",
        },
    },
}

/// What a sort needs of the kernel, on behalf of a thread: workers are others, and
/// are to stop when that one is to be killed.
struct Kernel<'a> {
    task: &'a Task,
    queue: &'a Queue,
}

impl Platform for Kernel<'_> {
    fn should_stop(&self) -> bool {
        cond_resched();
        self.task.fatal_signal_pending()
    }

    fn heap_sort<W: Word>(&self, words: &mut [W]) {
        lkm::sort::sort(words, |a, b| a.cmp(b));
    }

    fn for_each<S: Send, T>(
        &self,
        workers: &mut [S],
        items: impl Iterator<Item = T> + Send,
        f: impl Fn(&mut S, T) + Sync,
    ) -> usize {
        self.queue.for_each(workers, items, f)
    }
}

/// So many words are worth a thread of their own in a parallel sort: with fewer,
/// the threads wait for each other's turn to take the next part, and little else.
/// `auto` does not sort so few in parallel; one may ask for it.
const WORTH_A_WORKER: usize = 1 << 14;

/// How a session is to be sorted, in the numbers of the ABI.
#[derive(Clone, Copy, PartialEq)]
struct Settings {
    number: u32,
    order: u32,
    algorithm: u32,
}

/// What an open file has.
struct Session {
    settings: Settings,
    /// The numbers as bytes, of which the last may be a part of a number.
    set: KVVec<u8>,
    /// How the set is sorted, if it is.
    sorted: Option<Settings>,
    /// Whether the next write starts a new set.
    was_read: bool,
    /// How long it took to copy the set from the user.
    copy_in: Delta,
    stats: uapi::ksort_stats,
}

impl Session {
    fn new() -> Self {
        Session {
            settings: Settings {
                number: uapi::KSORT_I32,
                order: uapi::KSORT_UP,
                algorithm: uapi::KSORT_AUTO,
            },
            set: KVVec::new(),
            sorted: None,
            was_read: false,
            copy_in: Delta::from_nanos(0),
            stats: uapi::ksort_stats::default(),
        }
    }

    fn write(&mut self, buffer: &mut UserSliceReader<'_>) -> Result<usize> {
        let count = buffer.len();
        // A set that was read stays until the new one is there.
        let mut new_set = KVVec::new();
        let (set, copied_for) = if self.was_read {
            (&mut new_set, 0)
        } else {
            (&mut self.set, self.copy_in.as_nanos())
        };
        make_room(set, count)?;
        let start = Instant::now();
        buffer.read_all(set)?;
        let copied_for = copied_for.wrapping_add(start.elapsed().as_nanos());
        self.copy_in = Delta::from_nanos(copied_for);
        if self.was_read {
            self.set = new_set;
            self.was_read = false;
        }
        self.sorted = None;
        Ok(count)
    }

    fn read(
        &mut self,
        queue: &Queue,
        buffer: &mut UserSliceWriter<'_>,
        position: &mut i64,
    ) -> Result<usize> {
        if self.sorted != Some(self.settings) {
            with_current(|task| self.sort(&Kernel { task, queue }))?;
        }
        let start = Instant::now();
        let count = buffer.simple_read_from_buffer(position, &self.set)?;
        let nanos = start.elapsed().as_nanos() as u64;
        self.stats.copy_out_ns = self.stats.copy_out_ns.wrapping_add(nanos);
        self.was_read = true;
        Ok(count)
    }

    fn sort(&mut self, kernel: &Kernel<'_>) -> Result {
        match self.settings.number {
            uapi::KSORT_I32 | uapi::KSORT_U32 => {
                self.sort_words::<u32, { radix::digits::<u32>() }>(kernel)
            }
            _ => self.sort_words::<u64, { radix::digits::<u64>() }>(kernel),
        }
    }

    #[cold]
    fn sort_words<W: Word + AsBytes + FromBytes, const D: usize>(
        &mut self,
        kernel: &Kernel<'_>,
    ) -> Result {
        let len = from_bytes_mut::<W>(&mut self.set).ok_or(EINVAL)?.len();
        let cpus = num_online_cpus();
        let wanted = match self.settings.algorithm {
            uapi::KSORT_HEAP => Some(Algorithm::Heap),
            uapi::KSORT_QUICK => Some(Algorithm::Quick),
            uapi::KSORT_RADIX => Some(Algorithm::Radix),
            uapi::KSORT_PARALLEL => Some(Algorithm::Parallel),
            _ => None,
        };
        let mut algorithm = wanted.unwrap_or_else(|| sort::choose::<W>(len, cpus));
        self.sorted = None;
        let start = Instant::now();
        let mut result = self.sort_by::<W, D>(kernel, algorithm, cpus);
        if wanted.is_none() && matches!(result, Err(ENOMEM)) {
            // The one that needs no memory is slower, but can be had.
            algorithm = Algorithm::Quick;
            result = self.sort_by::<W, D>(kernel, algorithm, cpus);
        }
        let outcome = result?;
        if outcome.stopped {
            return Err(EINTR);
        }
        self.sorted = Some(self.settings);
        self.stats = uapi::ksort_stats {
            elements: len as u64,
            copy_in_ns: self.copy_in.as_nanos() as u64,
            sort_ns: start.elapsed().as_nanos() as u64,
            copy_out_ns: 0,
            algorithm: match algorithm {
                Algorithm::Heap => uapi::KSORT_HEAP,
                Algorithm::Quick => uapi::KSORT_QUICK,
                Algorithm::Radix => uapi::KSORT_RADIX,
                Algorithm::Parallel => uapi::KSORT_PARALLEL,
            },
            workers: outcome.workers as u32,
        };
        Ok(())
    }

    /// On an error the set is as it was; if the sort was told to stop, it has
    /// its numbers in another order.
    fn sort_by<W: Word + AsBytes + FromBytes, const D: usize>(
        &mut self,
        kernel: &Kernel<'_>,
        algorithm: Algorithm,
        cpus: usize,
    ) -> Result<Outcome> {
        let signed = matches!(self.settings.number, uapi::KSORT_I32 | uapi::KSORT_I64);
        let flip = sort::flip::<W>(signed, self.settings.order == uapi::KSORT_DOWN);
        let words = from_bytes_mut::<W>(&mut self.set).ok_or(EINVAL)?;
        let scratch_len = match algorithm {
            Algorithm::Heap | Algorithm::Quick => 0,
            Algorithm::Radix | Algorithm::Parallel => core::mem::size_of_val(words),
        };
        let mut scratch_bytes = KVVec::<u8>::zeroed(scratch_len)?;
        let scratch = from_bytes_mut::<W>(&mut scratch_bytes).ok_or(EINVAL)?;
        let outcome = match algorithm {
            Algorithm::Heap => sort::heap(kernel, words, flip),
            Algorithm::Quick => sort::quick(kernel, words, flip),
            Algorithm::Radix => {
                let mut tables = KVVec::<[radix::Digits; D]>::zeroed(1)?;
                let tables = tables.first_mut().ok_or(ENOMEM)?;
                radix::sort(kernel, words, scratch, flip, tables)
            }
            Algorithm::Parallel => {
                let mut tables = KVVec::<parallel::HighDigits>::zeroed(1)?;
                let tables = tables.first_mut().ok_or(ENOMEM)?;
                let worth = (words.len() / WORTH_A_WORKER).wrapping_add(1);
                let workers = worth.min(cpus).min(parallel::MAX_WORKERS);
                let mut low_tables = KVVec::zeroed(workers)?;
                let memory_len = parallel::memory_len(words.len());
                let mut memory = KVVec::zeroed(workers.wrapping_mul(memory_len))?;
                let low_tables = &mut low_tables;
                parallel::sort(
                    kernel,
                    words,
                    scratch,
                    flip,
                    tables,
                    low_tables,
                    &mut memory,
                )
            }
        };
        if outcome.in_scratch {
            swap(&mut self.set, &mut scratch_bytes);
        }
        Ok(outcome)
    }
}

/// Makes room in `set` for `count` bytes more; for twice as many as there was,
/// if that can be had, so that small writes need not all make some.
fn make_room(set: &mut KVVec<u8>, count: usize) -> Result {
    let max = (module_parameters::max_mib.value() as usize) << 20;
    if count > max.saturating_sub(set.len()) {
        return Err(EFBIG);
    }
    let room = set.capacity().wrapping_sub(set.len());
    let to_twice = set
        .capacity()
        .wrapping_mul(2)
        .min(max)
        .saturating_sub(set.len());
    if room < count && count < to_twice && set.reserve_exact(to_twice).is_ok() {
        return Ok(());
    }
    set.reserve_exact(count)
}

/// An open file.
struct OpenFile {
    session: Semaphore<Session>,
    queue: Arc<Queue>,
}

impl OpenFile {
    fn session(&self, file: &File) -> Result<Guard<'_, Session, SemaphoreBackend>> {
        if file.is_nonblocking() {
            self.session.try_lock().ok_or(EAGAIN)
        } else {
            self.session.lock_interruptible()
        }
    }
}

impl MiscDevice for OpenFile {
    type Shared = Arc<Queue>;
    const SEEKABLE: bool = true;
    const FILE_OPERATIONS: FileOperations<Self> = FileOperations {
        read: Some(Self::read),
        write: Some(Self::write),
        ioctl: Some(Self::ioctl),
        ..FileOperations::NONE
    };

    fn open(queue: &Arc<Queue>, _file: &File) -> Result<Self> {
        Ok(OpenFile {
            session: new_semaphore!(Session::new(), "ksort_session")?,
            queue: queue.clone(),
        })
    }
}

impl OpenFile {
    fn read(
        &self,
        file: &File,
        buffer: &mut UserSliceWriter<'_>,
        position: &mut i64,
    ) -> Result<usize> {
        self.session(file)?.read(&self.queue, buffer, position)
    }

    fn write(
        &self,
        file: &File,
        buffer: &mut UserSliceReader<'_>,
        position: &mut i64,
    ) -> Result<usize> {
        if buffer.is_empty() {
            // Not the first write after a read, either.
            return Ok(0);
        }
        let count = self.session(file)?.write(buffer)?;
        *position = 0;
        Ok(count)
    }

    fn ioctl(&self, file: &File, cmd: u32, arg: usize) -> Result<isize> {
        let mut session = self.session(file)?;
        let settings = &mut session.settings;
        match cmd {
            uapi::KSORT_GET_TYPE => put(arg, &settings.number)?,
            uapi::KSORT_GET_ORDER => put(arg, &settings.order)?,
            uapi::KSORT_GET_ALGORITHM => put(arg, &settings.algorithm)?,
            uapi::KSORT_GET_STATS => put(arg, &session.stats)?,
            uapi::KSORT_SET_TYPE => {
                let number = get(arg, uapi::KSORT_U64)?;
                if number != settings.number && !session.set.is_empty() {
                    return Err(EBUSY);
                }
                session.settings.number = number;
            }
            uapi::KSORT_SET_ORDER => settings.order = get(arg, uapi::KSORT_DOWN)?,
            uapi::KSORT_SET_ALGORITHM => settings.algorithm = get(arg, uapi::KSORT_PARALLEL)?,
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }
}

/// The setting that is at the user address `arg`.
fn get(arg: usize, greatest: u32) -> Result<u32> {
    let from = UserSlice::new(arg, core::mem::size_of::<u32>());
    let value = from.reader().read()?;
    if value > greatest {
        return Err(EINVAL);
    }
    Ok(value)
}

fn put<T: AsBytes>(arg: usize, value: &T) -> Result {
    let to = UserSlice::new(arg, core::mem::size_of::<T>());
    to.writer().write(value)
}

struct Ksort {
    _registration: MiscDeviceRegistration<OpenFile>,
}

impl Module for Ksort {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let queue = Arc::try_new(Queue::new_cpu_intensive(c_str!("ksort"))?)?;
        // Last: from here on, there are openers.
        let options = MiscDeviceOptions {
            name: c_str!("ksort"),
            mode: module_parameters::mode.value(),
        };
        Ok(Ksort {
            _registration: MiscDeviceRegistration::register(options, queue)?,
        })
    }
}
