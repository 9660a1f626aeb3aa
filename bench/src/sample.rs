//! What is measured, as it is told: one line of JSON for each row of figures.

use anyhow::Result;
use serde::Serialize;

/// What the figures are figures of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Ours,
    /// The twin in C, and for sorting the kernel's `sort()` in it.
    C,
    /// What a program can do without any module.
    Userland,
}

/// Repeated measurements of one thing.
#[derive(Clone, Debug, Serialize)]
pub struct Sample<'a> {
    pub case: &'a str,
    pub op: &'a str,
    pub side: Side,
    pub unit: &'a str,
    /// How many CPUs the guest has.
    pub cpus: usize,
    /// How many elements it is about, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elements: Option<usize>,
    pub values: &'a [f64],
}

impl Sample<'_> {
    pub fn print(&self) -> Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// How often each measurement is repeated, ours and the twin's in turn.
pub const PAIRS: usize = 5;

/// One side's way to do something some number of times.
pub type Work<'a> = Box<dyn FnMut(u64) -> Result<()> + 'a>;

/// What to do with two sides' work; [`compare`] measures it.
pub type Compare = fn(case: &str, op: &str, count: u64, sides: [(Side, Work); 2]) -> Result<()>;

/// Measures `count` calls of each side's work, after a tenth of that to warm up, and prints the
/// instructions for each call.
pub fn compare(case: &str, op: &str, count: u64, mut sides: [(Side, Work); 2]) -> Result<()> {
    let mut values = [Vec::new(), Vec::new()];
    for pair in 0..=PAIRS {
        for ((_, work), values) in sides.iter_mut().zip(&mut values) {
            let count = if pair == 0 { count / 10 } else { count };
            let busy = crate::clock::busy(|| work(count))?;
            if pair > 0 {
                values.push(busy as f64 / count as f64);
            }
        }
    }
    for ((side, _), values) in sides.iter().zip(&values) {
        Sample {
            case,
            op,
            side: *side,
            unit: "instructions",
            cpus: 1,
            elements: None,
            values,
        }
        .print()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_what_was_measured() {
        let sample = Sample {
            case: "ksort",
            op: "sort",
            side: Side::Ours,
            unit: "instructions",
            cpus: 1,
            elements: Some(1000),
            values: &[1.5],
        };
        assert_eq!(
            serde_json::to_string(&sample).unwrap(),
            r#"{"case":"ksort","op":"sort","side":"ours","unit":"instructions","cpus":1,"elements":1000,"values":[1.5]}"#
        );
    }
}
