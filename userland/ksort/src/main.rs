//! `ksort`: has numbers sorted by `/dev/ksort`.

// They panic where nobody listens.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod check;
mod input;
mod node;
mod number;
mod output;
mod pattern;
mod text;
mod times;

use std::process::ExitCode;

use anyhow::Result;
use cli::complain;

use args::{Args, Type};
use check::Fault;
use node::Node;
use number::Number;

const PROGRAM: &str = "ksort";

fn main() -> ExitCode {
    let args: Args = match cli::parse(PROGRAM, cli::STATUSES) {
        Ok(args) => args,
        Err(status) => return status,
    };
    let result = match args.number {
        Type::I32 => run::<i32>(&args),
        Type::U32 => run::<u32>(&args),
        Type::I64 => run::<i64>(&args),
        Type::U64 => run::<u64>(&args),
    };
    match result {
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

/// Does what is asked for, and says what --check found wrong.
///
/// SIGINT and SIGTERM are left to kill the program, and the kernel's sort ends with it: it would
/// not for a signal that a [`Waiter`] takes.
fn run<T: Number>(args: &Args) -> Result<Vec<Fault>> {
    let numbers = input::numbers::<T>(args)?;
    let mut node = Node::open::<T>(&args.node, args.reverse, args.algorithm.value())?;
    if args.check || args.time {
        return output::report(args, numbers, &mut node);
    }
    let mut count = 0;
    input::give(numbers, &mut node, |piece| {
        count += piece.len();
        Ok(())
    })?;
    output::print::<T>(args, &mut node, count)?;
    Ok(Vec::new())
}
