//! How many fault points there were, as a table that is printed when the program ends.

use std::io::{self, Write};
use std::sync::Mutex;

/// What was called.
#[derive(Clone, Copy)]
pub enum Column {
    Insmod,
    Open,
    Read,
    Write,
    Ioctl,
    Poll,
    Sys,
    Close,
    Rmmod,
}

const NAMES: [&str; 9] = [
    "insmod", "open", "read", "write", "ioctl", "poll", "/sys", "close", "rmmod",
];

impl Column {
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// What was counted for a module.
#[derive(Clone, Default)]
pub struct Row {
    points: [u32; NAMES.len()],
    failed: u32,
}

impl Row {
    /// Counts a fault point, which the call failed for or coped with.
    pub fn count(&mut self, column: Column, failed: bool) {
        self.points[column as usize] += 1;
        self.failed += u32::from(failed);
    }

    fn line(&self, module: &str) -> String {
        let points = self.points.iter().map(|points| match points {
            0 => "-".to_owned(),
            points => points.to_string(),
        });
        let points: Vec<String> = points.collect();
        let total: u32 = self.points.iter().sum();
        format!(
            "| {module} | {} | {total} | {} |",
            points.join(" | "),
            self.failed
        )
    }
}

static ROWS: Mutex<Vec<(&str, Row)>> = Mutex::new(Vec::new());

/// Adds a module's row.
pub fn add(module: &'static str, row: Row) {
    let mut rows = ROWS.lock().unwrap();
    if rows.is_empty() {
        // The harness says of no test that it is the last.
        // SAFETY: `print` unwinds from nothing, as it cannot panic.
        unsafe { libc::atexit(print) };
    }
    rows.push((module, row));
}

extern "C" fn print() {
    let mut rows = match ROWS.lock() {
        Ok(rows) => rows,
        Err(_) => return,
    };
    rows.sort_by_key(|(module, _)| *module);
    let mut text = format!(
        "Fault points, and for how many of them the call failed:\n\n\
         | module | {} | total | failed |\n|{}\n",
        NAMES.join(" | "),
        " --- |".repeat(NAMES.len() + 3)
    );
    for (module, row) in rows.iter() {
        text += &row.line(module);
        text += "\n";
    }
    // Not `print!`, which panics.
    let _ = io::stdout().write_all(text.as_bytes());
    let _ = io::stdout().flush();
}
