//! What the lab says and prints, whoever listens: it never panics where nobody does.

use anyhow::{Context, Result};
use cli::Statuses;
use std::io::{ErrorKind, Write};

/// 120 is all of the lab's own errors; 141 is what a shell says of a command that SIGPIPE ended.
pub const STATUSES: Statuses = Statuses {
    usage: 120,
    unwritable: 120,
    unread: 141,
};

/// Says a line on stderr, as `eprintln!` would.
macro_rules! say {
    ($($words:tt)*) => {
        cli::complain("lab", format_args!($($words)*))
    };
}
pub(crate) use say;

/// Prints a result on stdout, and gives the status to end with.
pub fn print(text: impl AsRef<[u8]>) -> Result<u8> {
    match cli::stdout().write_all(text.as_ref()) {
        Ok(()) => Ok(0),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(STATUSES.unread),
        Err(e) => Err(e).context("standard output: cannot write"),
    }
}

/// A table in Markdown, of rows that have as many cells as the first, its heading.
pub fn markdown(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(cell, &width)| format!("| {cell:width$} "));
        format!("{}|\n", cells.collect::<String>())
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    let rule: String = widths
        .iter()
        .map(|width| format!("| {:-<width$} ", ""))
        .collect();
    lines.insert(1.min(lines.len()), format!("{rule}|\n"));
    lines.concat()
}
