//! The node, and the table that it gives.

use std::fs::OpenOptions;
use std::ops::Deref;

use abi::percpu_counter::{get_cpu, get_total, reset};
use nix::errno::Errno;
use tests::{possible_cpus, Module};

pub const PATH: &str = "/dev/percpu_counter";

/// The longest step of the threads, and more than [`tests::AT_ONCE`].
pub const STILL: &str = "step_ms=10000";

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
pub struct Node(pub tests::Node);

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
        Node(tests::Node::open(PATH, options))
    }

    /// Another descriptor of the same open file.
    pub fn duplicate(&self) -> Node {
        Node(self.0.duplicate())
    }

    /// The table as it is now.
    #[track_caller]
    pub fn table(&self) -> Table {
        Table::parse(&self.read_from(0, 1 << 16).expect("pread failed"))
    }

    /// What a CPU has counted, by its ioctl.
    #[track_caller]
    pub fn cpu(&self, cpu: usize) -> Counts {
        let answer = get_cpu(&self.0, cpu as u32).expect("PERCPU_COUNTER_GET_CPU failed");
        assert_eq!(answer.cpu, cpu as u32);
        counts(answer.events, answer.bytes)
    }

    pub fn is_online(&self, cpu: usize) -> bool {
        let answer = get_cpu(&self.0, cpu as u32).expect("PERCPU_COUNTER_GET_CPU failed");
        assert!(answer.online <= 1, "{answer:?}");
        answer.online == 1
    }

    /// The sum, by its ioctl.
    #[track_caller]
    pub fn total(&self) -> Counts {
        let answer = get_total(&self.0).expect("PERCPU_COUNTER_GET_TOTAL failed");
        counts(answer.events, answer.bytes)
    }

    pub fn reset(&self) -> Result<(), Errno> {
        reset(&self.0)
    }
}

impl Deref for Node {
    type Target = tests::Node;

    fn deref(&self) -> &tests::Node {
        &self.0
    }
}
