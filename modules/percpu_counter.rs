// SPDX-License-Identifier: GPL-2.0

//! Counters that each CPU has for itself, `/dev/percpu_counter`.
//!
//! To count is to add to memory that no other CPU writes to: there is nothing
//! to wait for, however many count. The price is paid by who reads, and adds
//! up what all CPUs have.
//!
//! ```text
//!  CPU 0:  write(2) ──> count          thread percpu_counter/0 ──> count
//!  CPU 1:  write(2) ──> count          thread percpu_counter/1 ──> count
//!   ...                   └──── sum ────> read(2), ioctl(2)
//! ```
//!
//! | call | argument | result | errno |
//! | --- | --- | --- | --- |
//! | open(2) | | an open file | `ENOMEM` |
//! | write(2), pwrite(2) | bytes | all of them: an event, and so many bytes, on the CPU that runs this | `EFAULT`, `EINTR` (killed) |
//! | read(2), pread(2) | buffer | the table from the position on; 0 at its end | `EFAULT` |
//! | lseek(2) | `SEEK_SET`, `SEEK_CUR` | the new position | `EINVAL`: any other, or below 0 |
//! | poll(2) | | always `POLLIN` and `POLLOUT` | epoll(7): `EPERM` |
//! | ioctl(2) `PERCPU_COUNTER_GET_CPU` | `struct percpu_counter_cpu *` | 0 | `ENXIO` (no such CPU), `EFAULT` |
//! | ioctl(2) `PERCPU_COUNTER_GET_TOTAL` | `struct percpu_counter_total *` | 0 | `EFAULT` |
//! | ioctl(2) `PERCPU_COUNTER_RESET` | | 0 | `EBADF`, if not open for writing |
//! | ioctl(2), any other | | | `ENOTTY` |
//!
//! A read or write of 0 bytes returns 0 and does nothing; a write that fails counts
//! nothing. The position is that of reads: a write leaves it alone.
//!
//! With `threads=1`, the default, each CPU that is online has a thread, which
//! counts an event of no bytes every `step_ms`. It goes with its CPU and comes back with it;
//! what was counted stays.

#[path = "percpu_counter/statistics.rs"]
mod statistics;
#[path = "percpu_counter/table.rs"]
mod table;
#[path = "percpu_counter/threads.rs"]
mod threads;

use lkm::{
    cpuhp::HotplugState,
    cpumask::{nr_cpu_ids, Cpu},
    fs::File,
    miscdevice::{FileOperations, MiscDevice, MiscDeviceOptions, MiscDeviceRegistration},
    new_mutex,
    percpu::with_preempt_disabled,
    prelude::*,
    sync::{Arc, Mutex},
    task::fatal_signal_pending,
    uaccess::{Bytes, UserSlice, UserSliceReader, UserSliceWriter},
};
use statistics::Statistics;
use table::Table;
use threads::Threads;

module! {
    type: PercpuCounter,
    name: "percpu_counter",
    author: "rlkm",
    description: "Counters that each CPU has for itself",
    license: "GPL",
    params: {
        threads: bool {
            default: true,
            permissions: 0o444,
            description: "have a thread on each CPU that counts",
        },
        step_ms: u32 {
            default: 100,
            range: 1..=10_000,
            permissions: 0o644,
            description: "milliseconds between two steps of a thread, 1 to 10000; a change counts from its next step on",
        },
        mode: octal {
            default: 0o600,
            permissions: 0o444,
            description: "permissions of the node, in octal: 0 to 0777",
        },
    },
}

/// An open file.
///
/// Lock order: `table`, then `zero` of the statistics.
struct OpenFile {
    statistics: Arc<Statistics>,
    table: Mutex<Table>,
}

impl OpenFile {
    fn get_cpu(&self, arg: usize) -> Result {
        let argument = || UserSlice::new(arg, core::mem::size_of::<uapi::percpu_counter_cpu>());
        let mut answer: uapi::percpu_counter_cpu = argument().reader().read()?;
        let cpu = Cpu::from_number(answer.cpu).ok_or(ENXIO)?;
        let counts = self.statistics.of(cpu);
        answer.online = cpu.is_online().into();
        answer.events = counts.events;
        answer.bytes = counts.bytes;
        argument().writer().write(&answer)
    }

    fn get_total(&self, arg: usize) -> Result {
        let total = self.statistics.sum(|_, _| Ok(()))?;
        let answer = uapi::percpu_counter_total {
            cpus: nr_cpu_ids().into(),
            events: total.events,
            bytes: total.bytes,
        };
        let to = UserSlice::new(arg, core::mem::size_of_val(&answer));
        to.writer().write(&answer)
    }
}

impl MiscDevice for OpenFile {
    type Shared = Arc<Statistics>;
    const SEEKABLE: bool = true;
    const FILE_OPERATIONS: FileOperations<Self> = FileOperations {
        read: Some(Self::read),
        write: Some(Self::write),
        ioctl: Some(Self::ioctl),
        ..FileOperations::NONE
    };

    fn open(statistics: &Arc<Statistics>, _file: &File) -> Result<Self> {
        Ok(OpenFile {
            statistics: statistics.clone(),
            table: new_mutex!(Table::new()?, "percpu_counter_table")?,
        })
    }
}

impl OpenFile {
    fn read(
        &self,
        _file: &File,
        buffer: &mut UserSliceWriter<'_>,
        position: &mut i64,
    ) -> Result<usize> {
        self.table.lock().read(&self.statistics, buffer, position)
    }

    /// Reads the bytes, though nobody wants them: a bad pointer is an error.
    fn write(&self, _file: &File, buffer: &mut UserSliceReader<'_>, _: &mut i64) -> Result<usize> {
        let len = buffer.len();
        if len == 0 {
            return Ok(0);
        }
        let mut chunk = Bytes::<512>::new();
        while !buffer.is_empty() {
            if fatal_signal_pending() {
                return Err(EINTR);
            }
            buffer.read_bytes(&mut chunk)?;
        }
        with_preempt_disabled(|here| self.statistics.count(here, len as u64));
        Ok(len)
    }

    fn ioctl(&self, file: &File, cmd: u32, arg: usize) -> Result<isize> {
        match cmd {
            uapi::PERCPU_COUNTER_GET_CPU => self.get_cpu(arg)?,
            uapi::PERCPU_COUNTER_GET_TOTAL => self.get_total(arg)?,
            uapi::PERCPU_COUNTER_RESET if file.is_writable() => self.statistics.reset(),
            uapi::PERCPU_COUNTER_RESET => return Err(EBADF),
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }
}

struct PercpuCounter {
    _registration: MiscDeviceRegistration<OpenFile>,
    _threads: Option<HotplugState<Threads>>,
}

impl Module for PercpuCounter {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let statistics = Arc::try_new(Statistics::new()?)?;
        let threads = match module_parameters::threads.value() {
            true => Some(Threads::start(&statistics)?),
            false => None,
        };
        // Last: from here on, there are openers.
        let options = MiscDeviceOptions {
            name: c_str!("percpu_counter"),
            mode: module_parameters::mode.value(),
        };
        Ok(PercpuCounter {
            _registration: MiscDeviceRegistration::register(options, statistics)?,
            _threads: threads,
        })
    }
}
