//! What is printed: the sorted numbers, or what there is to be said of them.

use std::io::Write;
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use cli::{write_all, Waiter, Wake};

use crate::args::Args;
use crate::check::{check, sort, Fault};
use crate::input::give;
use crate::node::{Node, PIECE};
use crate::number::Number;
use crate::times::{self, count};

/// Prints the sorted numbers, of which there should be `given`.
pub fn print<T: Number>(args: &Args, node: &mut Node, given: usize) -> Result<()> {
    let mut numbers = vec![T::zeroed(); PIECE];
    let mut length = node.take(&mut numbers)?;
    let waiter = Waiter::new()?;
    let (mut taken, mut text) = (0, Vec::new());
    while length > 0 {
        taken += length;
        text.clear();
        for number in &numbers[..length] {
            writeln!(text, "{number}").context("cannot write to memory")?;
        }
        if let Wake::Stop = write_all(&waiter, &text)? {
            // If a signal did this, the status must tell that what was printed is not all.
            return waiter.unblock();
        }
        length = node.take(&mut numbers)?;
    }
    all_there(args, taken, given)
}

/// Has `numbers` sorted, prints what is asked for instead of them, and says what --check found.
pub fn report<T: Number>(
    args: &Args,
    numbers: impl Iterator<Item = Result<T>>,
    node: &mut Node,
) -> Result<Vec<Fault>> {
    let mut given = Vec::new();
    give(numbers, node, |piece| keep(&mut given, piece))?;

    let mut result = Vec::new();
    let mut piece = vec![T::zeroed(); PIECE];
    let mut taken = 0;
    loop {
        let length = node.take(&mut piece)?;
        if length == 0 {
            break;
        }
        taken += length;
        if args.check {
            keep(&mut result, &piece[..length])?;
        }
    }

    let start = Instant::now();
    sort(&mut given, args.reverse);
    let in_userland = start.elapsed();

    let mut text = String::new();
    let mut faults = Vec::new();
    if args.check {
        faults = check(&given, result, args.reverse);
        if faults.is_empty() {
            text = count(given.len() as u64, "number") + ": in order, a permutation of the input\n";
        }
    } else {
        all_there(args, taken, given.len())?;
    }
    if args.time {
        text += &times::table(&node.stats()?, T::NAME, in_userland);
    }
    cli::print(text.as_bytes())?;
    Ok(faults)
}

/// Adds numbers to those that are kept here, of which there may be more than there is memory for.
fn keep<T: Number>(kept: &mut Vec<T>, piece: &[T]) -> Result<()> {
    let room = kept.try_reserve(piece.len());
    room.context("not enough memory to keep the numbers for --check or --time; give fewer")?;
    kept.extend_from_slice(piece);
    Ok(())
}

fn all_there(args: &Args, taken: usize, given: usize) -> Result<()> {
    let node = args.node.display();
    ensure!(
        taken == given,
        "{node}: gave {taken} of {given} numbers; is it a ksort node?"
    );
    Ok(())
}
