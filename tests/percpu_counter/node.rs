//! The node, and the table that it gives.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::process::Stdio;
use std::time::{Duration, Instant};

use abi::percpu_counter::{get_cpu, get_total, reset};
use nix::errno::Errno;
use tests::{possible_cpus, Module};

pub const PATH: &str = "/dev/percpu_counter";

/// The longest step of the threads.
pub const STILL: &str = "step_ms=10000";
/// Much less than [`STILL`], much more than a call takes that does not wait.
const AT_ONCE: Duration = Duration::from_secs(4);

#[track_caller]
pub fn load(parameters: &[&str]) -> Module {
    Module::load("percpu_counter", parameters).unwrap_or_else(|error| {
        panic!("percpu_counter.ko does not load with {parameters:?}: {error}")
    })
}

/// Loads the module so that only writes are counted.
#[track_caller]
pub fn load_without_threads() -> Module {
    load(&["threads=0"])
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub events: u64,
    pub bytes: u64,
}

pub fn counts(events: u64, bytes: u64) -> Counts {
    Counts { events, bytes }
}

/// The table that read(2) gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// By the place in [`possible_cpus`].
    pub cpus: Vec<Counts>,
    pub total: Counts,
}

impl Table {
    /// Fails unless it is as documented to the letter, and its last line the sum of the others.
    #[track_caller]
    pub fn parse(text: &[u8]) -> Table {
        let text = std::str::from_utf8(text).expect("a table in ASCII");
        let mut lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(lines.pop(), Some(""), "no newline at the end of {text:?}");
        let last = lines.pop().expect("a table has lines");
        let cpus = possible_cpus();
        assert_eq!(lines.len(), cpus.len(), "{text}");
        let cpus = lines.iter().zip(cpus).map(|(line, cpu)| {
            let counts = line.strip_prefix(&format!("cpu {cpu}: "));
            counts
                .and_then(parse_counts)
                .unwrap_or_else(|| panic!("{line:?}"))
        });
        let table = Table {
            cpus: cpus.collect(),
            total: last
                .strip_prefix("total: ")
                .and_then(parse_counts)
                .unwrap_or_else(|| panic!("{last:?}")),
        };
        let sum = table.cpus.iter().fold(counts(0, 0), |sum, cpu| {
            counts(sum.events + cpu.events, sum.bytes + cpu.bytes)
        });
        assert_eq!(table.total, sum, "{text}");
        assert_eq!(table.to_string(), text);
        table
    }

    /// What a CPU has counted.
    pub fn cpu(&self, cpu: usize) -> Counts {
        self.cpus[place_of(cpu)]
    }

    /// Adds to what a CPU has counted, and to the total.
    pub fn add(&mut self, cpu: usize, more: Counts) {
        for counts in [&mut self.cpus[place_of(cpu)], &mut self.total] {
            counts.events += more.events;
            counts.bytes += more.bytes;
        }
    }
}

fn place_of(cpu: usize) -> usize {
    let place = possible_cpus().iter().position(|&possible| possible == cpu);
    place.expect("a possible CPU")
}

fn parse_counts(text: &str) -> Option<Counts> {
    let (events, bytes) = text.strip_prefix("events ")?.split_once(", bytes ")?;
    Some(counts(events.parse().ok()?, bytes.parse().ok()?))
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (cpu, Counts { events, bytes }) in possible_cpus().iter().zip(&self.cpus) {
            writeln!(f, "cpu {cpu}: events {events}, bytes {bytes}")?;
        }
        let Counts { events, bytes } = self.total;
        writeln!(f, "total: events {events}, bytes {bytes}")
    }
}

/// An open node.
pub struct Node(File);

impl Node {
    /// Opens the node for reading and writing.
    #[track_caller]
    pub fn open() -> Node {
        Node::open_with(OpenOptions::new().read(true).write(true))
    }

    #[track_caller]
    pub fn open_to_read() -> Node {
        Node::open_with(OpenOptions::new().read(true))
    }

    #[track_caller]
    pub fn open_to_write() -> Node {
        Node::open_with(OpenOptions::new().write(true))
    }

    #[track_caller]
    pub fn open_with(options: &OpenOptions) -> Node {
        Node(
            options
                .open(PATH)
                .unwrap_or_else(|error| panic!("{PATH}: {error}")),
        )
    }

    /// Another descriptor of the same open file.
    pub fn duplicate(&self) -> Node {
        Node(self.0.try_clone().expect("dup(2) failed"))
    }

    /// One write(2).
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        nix::unistd::write(self.as_raw_fd(), bytes)
    }

    /// One pwrite(2).
    pub fn write_to(&self, position: u64, bytes: &[u8]) -> Result<usize, Errno> {
        errno(self.0.write_at(bytes, position))
    }

    /// One read(2) of at most `length` bytes.
    pub fn read(&self, length: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; length];
        let taken = nix::unistd::read(self.as_raw_fd(), &mut bytes)?;
        bytes.truncate(taken);
        Ok(bytes)
    }

    /// One pread(2) of at most `length` bytes.
    pub fn read_from(&self, position: u64, length: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; length];
        let taken = errno(self.0.read_at(&mut bytes, position))?;
        bytes.truncate(taken);
        Ok(bytes)
    }

    /// All from the position to the end, in reads of at most `length` bytes.
    #[track_caller]
    pub fn read_in_pieces_of(&self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            match self.read(length).expect("read failed") {
                more if more.is_empty() => return bytes,
                more => bytes.extend(more),
            }
        }
    }

    /// The table as it is now.
    #[track_caller]
    pub fn table(&self) -> Table {
        Table::parse(&self.read_from(0, 1 << 16).expect("pread failed"))
    }

    pub fn seek(&self, to: SeekFrom) -> Result<u64, Errno> {
        errno((&self.0).seek(to))
    }

    #[track_caller]
    pub fn position(&self) -> u64 {
        self.seek(SeekFrom::Current(0)).expect("lseek(2) failed")
    }

    /// What a CPU has counted, by its ioctl.
    #[track_caller]
    pub fn cpu(&self, cpu: usize) -> Counts {
        let answer = get_cpu(self, cpu as u32).expect("PERCPU_COUNTER_GET_CPU failed");
        assert_eq!(answer.cpu, cpu as u32);
        counts(answer.events, answer.bytes)
    }

    pub fn is_online(&self, cpu: usize) -> bool {
        let answer = get_cpu(self, cpu as u32).expect("PERCPU_COUNTER_GET_CPU failed");
        assert!(answer.online <= 1, "{answer:?}");
        answer.online == 1
    }

    /// The sum, by its ioctl.
    #[track_caller]
    pub fn total(&self) -> Counts {
        let answer = get_total(self).expect("PERCPU_COUNTER_GET_TOTAL failed");
        counts(answer.events, answer.bytes)
    }

    pub fn reset(&self) -> Result<(), Errno> {
        reset(self)
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Node {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<Node> for Stdio {
    fn from(node: Node) -> Stdio {
        node.0.into()
    }
}

fn errno<T>(result: io::Result<T>) -> Result<T, Errno> {
    result.map_err(|error| Errno::from_i32(error.raw_os_error().unwrap_or(0)))
}

/// Runs `call`, which must not wait for the end of a [`STILL`] step.
#[track_caller]
pub fn at_once<T>(call: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = call();
    let elapsed = start.elapsed();
    assert!(elapsed < AT_ONCE, "took {elapsed:?}");
    result
}
