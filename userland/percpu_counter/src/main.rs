//! `percpu_counter`: the counters of `/dev/percpu_counter`.

// They panic where nobody listens.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod counts;
mod node;
mod rates;
mod zeros;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{anyhow, Result};
use clap::{Parser, Subcommand};
use cli::{complain, parse_seconds, write_all, Access, Waiter, Wake};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::Pid;

use counts::Counts;
use node::Node;
use rates::Rates;
use zeros::zeros;

const PROGRAM: &str = "percpu_counter";

const AFTER_HELP: &str = "\
Each CPU counts events and bytes for itself: a write to the node is an event on the CPU that runs
it, and so is each step of a kernel thread that the module has on each CPU.

Examples:
  percpu_counter show                        the counts of each CPU and their sum
  percpu_counter show --json                 the same for a program
  percpu_counter count 1000 --cpu 1          1000 events more, of 1 byte each, all on CPU 1
  percpu_counter count 5 --bytes 4096        5 events more, of 4096 bytes each, on any CPU
  percpu_counter watch                       what is counted in each second, until a signal
  percpu_counter watch --seconds 3 --interval 0.5
  percpu_counter reset                       all counts are 0

Exit status:
  0  done; of watch as well when SIGINT, SIGTERM or a reader of its output that goes away ends it
  2  wrong arguments
  3  the node or the CPU cannot be used, or the output cannot be written
";

/// Shows, feeds and watches the counters of /dev/percpu_counter
#[derive(Parser)]
#[command(version, after_help = AFTER_HELP)]
struct Args {
    /// The device node
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/dev/percpu_counter",
        global = true
    )]
    node: PathBuf,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show the counts of each CPU and their sum
    Show {
        /// As one line of JSON
        #[arg(long)]
        json: bool,
    },

    /// Have events counted: write to the node N times
    Count {
        /// How many events
        #[arg(value_name = "N")]
        events: u64,

        /// Write on this CPU only, instead of where the scheduler puts the program
        #[arg(long, value_name = "C")]
        cpu: Option<usize>,

        /// How many bytes each write has, 1 to 1073741824
        #[arg(
            long,
            value_name = "B",
            default_value = "1",
            value_parser = parse_bytes
        )]
        bytes: NonZeroUsize,
    },

    /// Show again and again how many events and bytes each CPU counts in a second
    Watch {
        /// Stop after S seconds, for instance 10 or 0.5
        #[arg(long, value_name = "S", value_parser = parse_seconds)]
        seconds: Option<Duration>,

        /// Show them every S seconds, 0.01 or more
        #[arg(long, value_name = "S", default_value = "1", value_parser = parse_interval)]
        interval: Duration,

        /// As one line of JSON each time
        #[arg(long)]
        json: bool,
    },

    /// Set all counts to 0
    Reset,
}

fn parse_bytes(text: &str) -> Result<NonZeroUsize, String> {
    let bytes = text
        .parse()
        .ok()
        .filter(|&bytes: &NonZeroUsize| bytes.get() <= 1 << 30);
    bytes.ok_or_else(|| "give a number of bytes from 1 to 1073741824".into())
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_seconds(text)?;
    if interval < Duration::from_millis(10) {
        return Err("give at least 0.01 seconds".into());
    }
    Ok(interval)
}

fn main() -> ExitCode {
    let args: Args = match cli::parse(PROGRAM, cli::STATUSES) {
        Ok(args) => args,
        Err(status) => return status,
    };
    match run(&args.node, &args.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(PROGRAM, format_args!("{error:#}"));
            ExitCode::from(3)
        }
    }
}

fn run(path: &Path, verb: &Verb) -> Result<()> {
    match *verb {
        Verb::Show { json } => {
            let counts = Counts::new(&Node::open(path, Access::Read)?.cpus()?);
            let text = if json { counts.json()? } else { counts.table() };
            cli::print(text.as_bytes())
        }
        Verb::Count { events, cpu, bytes } => {
            let mut node = Node::open(path, Access::Write)?;
            if let Some(cpu) = cpu {
                pin(cpu)?;
            }
            let bytes = zeros(bytes)?;
            (0..events).try_for_each(|_| node.count(bytes))
        }
        Verb::Watch {
            seconds,
            interval,
            json,
        } => watch(&Node::open(path, Access::Read)?, seconds, interval, json),
        Verb::Reset => Node::open(path, Access::Write)?.reset(),
    }
}

/// Keeps this program on one CPU.
fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .map_err(|error| {
            anyhow!("CPU {cpu}: cannot run there: {error}; `{PROGRAM} show` tells which are online")
        })
}

/// Writes the rates of each interval until the time is over, or a signal or a closed output ends it.
fn watch(node: &Node, seconds: Option<Duration>, interval: Duration, json: bool) -> Result<()> {
    let waiter = Waiter::new()?;
    let (mut time, mut cpus) = (Instant::now(), node.cpus()?);
    let end = seconds.map(|seconds| time + seconds);
    let mut next = time;
    let mut gap = "";
    while end.map_or(true, |end| time < end) {
        // From one due time to the next, so that being late does not add up.
        next = (next + interval).max(time);
        if let Wake::Stop = waiter.sleep(end.map_or(next, |end| next.min(end)))? {
            break;
        }
        let (time_before, cpus_before) = (time, cpus);
        time = Instant::now();
        cpus = node.cpus()?;
        let rates = Rates::new(&cpus_before, &cpus, time - time_before);
        let text = if json {
            rates.json()?
        } else {
            format!("{gap}{}", rates.table())
        };
        if let Wake::Stop = write_all(&waiter, text.as_bytes())? {
            break;
        }
        gap = "\n";
    }
    Ok(())
}
