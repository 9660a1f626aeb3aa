//! `misc`: the message of `/dev/misc_mutex` and its sisters.

// They panic where nobody listens.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod hammer;
mod limits;
mod message;
mod node;
mod report;
mod stats;

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use cli::{complain, parse_seconds, Access, Waiter};

use hammer::{hammer, Fault, Plan};
use message::MAX;
use node::Node;
use report::Report;

const PROGRAM: &str = "misc";

const AFTER_HELP: &str = "\
The nodes are /dev/misc_mutex, misc_spinlock, misc_rwlock, misc_refcount and misc_rcu: one device
that holds a message of at most 128 bytes, guarded in as many ways.

Examples:
  misc get                                     the message, as it is
  misc --node /dev/misc_rcu set 'Hello there'  another message, of these 11 bytes
  date | misc set                              a message from standard input, its newline as well
  misc stats --json                            the statistics, for a program
  misc stats --reset                           sets bytes read, bytes written, opens and errors to 0
  misc hammer --readers 4 --writers 2 --seconds 10
                                               ends with status 1 if a message was torn

Exit status:
  0  done
  1  hammer: a message was torn, or was there again after it had been replaced
  2  wrong arguments
  3  the node cannot be used, or refuses the message; or the output cannot be written; or hammer
     may not have so many threads or open files
";

/// Reads, sets and hammers the message of /dev/misc_mutex and its sisters
#[derive(Parser)]
#[command(version, after_help = AFTER_HELP)]
struct Args {
    /// The device node
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/dev/misc_mutex",
        global = true
    )]
    node: PathBuf,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write the message to standard output
    Get,

    /// Replace the message
    Set {
        /// The new message, to which no newline is added; standard input, if it is left out
        message: Option<OsString>,
    },

    /// Show the statistics
    Stats {
        /// As one line of JSON
        #[arg(long)]
        json: bool,

        /// Show nothing; set bytes_read, bytes_written, opens and errors to 0
        #[arg(long, conflicts_with = "json")]
        reset: bool,
    },

    /// Read and write with many threads at once, and check each message that is read
    ///
    /// The messages tell their length and their checksum, so that a torn one is found, and number
    /// themselves, so that one is found that comes again after it was replaced. The message that
    /// the node has is lost. SIGINT and SIGTERM end the work as the end of the time does.
    Hammer {
        /// How many threads read
        #[arg(long, value_name = "R", default_value = "2", value_parser = clap::value_parser!(u32).range(..=1000))]
        readers: u32,

        /// How many threads write
        #[arg(long, value_name = "W", default_value = "2", value_parser = clap::value_parser!(u32).range(..=1000))]
        writers: u32,

        /// For how long, for instance 2 or 0.5
        #[arg(long, value_name = "S", default_value = "5", value_parser = parse_seconds)]
        seconds: Duration,

        /// Report as one line of JSON
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let args: Args = match cli::parse(PROGRAM, cli::STATUSES) {
        Ok(args) => args,
        Err(status) => return status,
    };
    match run(&args) {
        Ok(faults) if faults.is_empty() => ExitCode::SUCCESS,
        Ok(faults) => {
            for fault in faults {
                complain(PROGRAM, format_args!("{}: {fault}", args.node.display()));
            }
            ExitCode::from(1)
        }
        Err(error) => {
            complain(PROGRAM, format_args!("{error:#}"));
            ExitCode::from(3)
        }
    }
}

/// Does what is asked for, and says what hammer found wrong.
fn run(args: &Args) -> Result<Vec<Fault>> {
    let path = &args.node;
    match &args.verb {
        Verb::Get => cli::print(&Node::open(path, Access::Read)?.message()?)?,
        Verb::Set { message } => {
            let message = match message {
                Some(message) => message.clone().into_vec(),
                None => standard_input()?,
            };
            Node::open(path, Access::Write)?.set_message(&message)?;
        }
        Verb::Stats { reset: true, .. } => Node::open(path, Access::Write)?.reset_stats()?,
        Verb::Stats { json, .. } => {
            let stats = Node::open(path, Access::Read)?.stats()?;
            let text = if *json {
                stats::json(&stats)?
            } else {
                stats::table(&stats)
            };
            cli::print(text.as_bytes())?;
        }
        Verb::Hammer {
            readers: 0,
            writers: 0,
            ..
        } => cli::refuse(
            PROGRAM,
            format_args!("neither readers nor writers; give at least one of them"),
        ),
        &Verb::Hammer {
            readers,
            writers,
            seconds,
            json,
        } => {
            let plan = Plan {
                node: path.display().to_string(),
                readers,
                writers,
                run: process::id(),
            };
            return strike(path, &plan, seconds, json);
        }
    }
    Ok(Vec::new())
}

/// Standard input, or as much of it as is more than a message can have.
fn standard_input() -> Result<Vec<u8>> {
    let mut message = Vec::new();
    let mut input = io::stdin().lock().take(MAX as u64 + 1);
    input
        .read_to_end(&mut message)
        .context("standard input: cannot read")?;
    Ok(message)
}

fn strike(path: &Path, plan: &Plan, seconds: Duration, json: bool) -> Result<Vec<Fault>> {
    let mut waiter = Waiter::new()?;
    // Before anything is written: is it a node at all?
    drop(Node::open(path, Access::Read)?);
    // Each thread has the node open.
    limits::allow_files(u64::from(plan.readers) + u64::from(plan.writers))?;
    let open = |access| node::open(path, access);
    let outcome = hammer(plan, &open, |ended| {
        let deadline = Instant::now() + seconds;
        waiter.readable(ended, Some(deadline)).map(|_| ())
    })?;
    let report = Report::new(plan, &outcome);
    let text = if json { report.json()? } else { report.table() };
    // A signal has ended the work; only another one ends the report as well.
    waiter.forget()?;
    cli::write_all(&waiter, text.as_bytes())?;
    Ok(outcome.faults)
}
