//! `simrupt`: writes the stream of `/dev/simrupt` to standard output.

// They panic where nobody listens.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod node;
mod stats;
mod verify;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use cli::{complain, parse_seconds, write_all, Waiter, Wake};

use node::Node;
use verify::{Mismatch, Verifier};

const PROGRAM: &str = "simrupt";

/// More than the module ever holds, and little enough that a pipe with room takes it whole.
const CHUNK: usize = 4096;

const AFTER_HELP: &str = "\
Several readers share the stream: each byte goes to one of them. The first to open the node starts
the source, the last to close it stops it, and a first opener sees no byte from before its time.

SIGINT and SIGTERM end the program in good order, as does a reader of its output that goes away.

Examples:
  simrupt --count 20              the next 20 bytes
  simrupt --seconds 2 --stats     two seconds of the stream, then the statistics
  simrupt --verify > /dev/null    says when a byte is lost, and ends
  simrupt --nonblock              what is there now, while another program keeps the node open
  simrupt --stats                 the statistics and nothing else

Exit status:
  0  done
  1  --verify: a gap or a wrong byte
  2  wrong arguments
  3  the node cannot be used, or the output cannot be written
  4  --nonblock: nothing to read now (EAGAIN)
";

/// Writes the stream of /dev/simrupt to standard output
#[derive(Parser)]
#[command(version, after_help = AFTER_HELP)]
struct Args {
    /// Stop after N bytes
    #[arg(long, value_name = "N")]
    count: Option<u64>,

    /// Stop after S seconds, for instance 2 or 0.5
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    seconds: Option<Duration>,

    /// Do not wait: write what is there now, and end
    #[arg(long)]
    nonblock: bool,

    /// Write the statistics to standard error after reading; as the only option (but for --node),
    /// read nothing and write them to standard output
    #[arg(long)]
    stats: bool,

    /// Check that each byte follows the one before it; end at the first that does not
    #[arg(long)]
    verify: bool,

    /// The device node
    #[arg(long, value_name = "PATH", default_value = "/dev/simrupt")]
    node: PathBuf,
}

impl Args {
    fn only_statistics(&self) -> bool {
        self.stats
            && !self.nonblock
            && !self.verify
            && self.count.is_none()
            && self.seconds.is_none()
    }
}

/// Why reading ended, where no error was the reason.
enum End {
    /// As much as was asked for, a signal, or nobody left to write for.
    Done,
    WouldBlock,
    Mismatch(Mismatch),
}

fn main() -> ExitCode {
    let args: Args = match cli::parse(PROGRAM, cli::STATUSES) {
        Ok(args) => args,
        Err(status) => return status,
    };
    match run(&args) {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Mismatch(mismatch)) => {
            complain(PROGRAM, format_args!("{}: {mismatch}", args.node.display()));
            ExitCode::from(1)
        }
        Ok(End::WouldBlock) => {
            let node = args.node.display();
            complain(
                PROGRAM,
                format_args!(
                "{node}: nothing to read now (EAGAIN); try again later, or leave out --nonblock"
            ),
            );
            ExitCode::from(4)
        }
        Err(error) => {
            complain(PROGRAM, format_args!("{error:#}"));
            ExitCode::from(3)
        }
    }
}

fn run(args: &Args) -> Result<End> {
    let waiter = Waiter::new()?;
    let node = Node::open(&args.node)?;
    if args.only_statistics() {
        let table = stats::table(&node.stats()?);
        return write_all(&waiter, table.as_bytes()).map(|_| End::Done);
    }
    let end = copy_stream(args, &waiter, &node)?;
    if args.stats {
        let table = stats::table(&node.stats()?);
        cli::stderr()
            .write_all(table.as_bytes())
            .context("standard error: cannot write the statistics")?;
    }
    Ok(end)
}

/// Copies the stream until what `args` asks for is reached.
fn copy_stream(args: &Args, waiter: &Waiter, node: &Node) -> Result<End> {
    let deadline = args.seconds.map(|seconds| Instant::now() + seconds);
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut verifier = Verifier::default();
    let mut buffer = [0; CHUNK];
    let mut nothing_yet = true;
    while left > 0 {
        if waiter.interrupted()? || deadline.map_or(false, |deadline| Instant::now() >= deadline) {
            break;
        }
        let room = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let bytes = match node.read(&mut buffer[..room])? {
            Some(bytes) => bytes,
            None if args.nonblock && nothing_yet => return Ok(End::WouldBlock),
            None if args.nonblock => break,
            None => match waiter.readable(node, deadline)? {
                Wake::Ready => continue,
                Wake::TimedOut | Wake::Stop => break,
            },
        };
        nothing_yet = false;
        left -= bytes.len() as u64;
        let verdict = if args.verify {
            verifier.check(bytes)
        } else {
            Ok(())
        };
        if let Wake::Stop = write_all(waiter, bytes)? {
            break;
        }
        if let Err(mismatch) = verdict {
            return Ok(End::Mismatch(mismatch));
        }
    }
    Ok(End::Done)
}
