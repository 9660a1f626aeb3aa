//! Where the numbers come from.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use anyhow::{Context, Result};

use crate::args::Args;
use crate::node::{Node, PIECE};
use crate::number::{parse, Number};
use crate::pattern;
use crate::text::Text;
use crate::PROGRAM;

/// The numbers that are to be sorted; those of the arguments are known to be numbers, others not
/// until they are reached.
pub fn numbers<T: Number>(args: &Args) -> Result<Box<dyn Iterator<Item = Result<T>>>> {
    if let Some(length) = args.random {
        let numbers = pattern::Numbers::new(args.pattern, length, args.seed);
        return Ok(Box::new(numbers.map(Ok)));
    }
    if !args.numbers.is_empty() {
        let numbers = args.numbers.iter().enumerate().map(|(index, text)| {
            let number = parse(text.as_bytes());
            number.unwrap_or_else(|why| {
                let at = index + 1;
                cli::refuse(PROGRAM, format_args!("number {at} of the arguments: {why}"))
            })
        });
        return Ok(Box::new(numbers.collect::<Vec<T>>().into_iter().map(Ok)));
    }
    match &args.file {
        Some(path) if path != Path::new("-") => {
            let name = path.display().to_string();
            let file = File::open(path).with_context(|| format!("{name}: cannot open"))?;
            Ok(Box::new(Text::new(name, BufReader::new(file))))
        }
        _ => {
            let name = "standard input".to_owned();
            Ok(Box::new(Text::new(name, io::stdin().lock())))
        }
    }
}

/// Adds `numbers` to the node's set piece by piece, so that no more of them are read than it takes.
pub fn give<T: Number>(
    mut numbers: impl Iterator<Item = Result<T>>,
    node: &mut Node,
    mut each: impl FnMut(&[T]) -> Result<()>,
) -> Result<()> {
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        piece.clear();
        for number in numbers.by_ref().take(PIECE) {
            piece.push(number?);
        }
        if piece.is_empty() {
            return Ok(());
        }
        node.add(&piece)?;
        each(&piece)?;
    }
}
