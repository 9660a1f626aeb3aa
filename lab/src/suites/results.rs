//! How the suites ended, and the table of it.

use crate::jobs;
use crate::output::markdown;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// How one program's run in one guest ended.
#[derive(Clone, Serialize, Deserialize, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status of `lab runner`.
    pub status: Option<i32>,
    pub passed: u32,
    pub failed: u32,
    pub seconds: u64,
}

impl Outcome {
    pub fn is_good(&self) -> bool {
        self.status == Some(0) && self.passed > 0 && self.failed == 0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome {
            status,
            passed,
            failed,
            seconds,
        } = self;
        match status {
            Some(0) if self.is_good() => write!(f, "{passed}, {seconds} s"),
            Some(0) => write!(f, "NO TESTS"),
            // Rust's test programs end with it, if a test failed.
            Some(101) if *failed > 0 => write!(f, "{failed} FAILED"),
            Some(status) => write!(f, "STATUS {status}"),
            None => write!(f, "KILLED"),
        }
    }
}

/// The results by kernel and number of CPUs, then by suite.
#[derive(Default, Serialize, Deserialize)]
pub struct Results(pub BTreeMap<String, BTreeMap<String, Outcome>>);

impl Results {
    pub fn read(path: &Path) -> Result<Results> {
        Ok(jobs::read(path)?.unwrap_or_default())
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        jobs::write(path, &serde_json::to_vec_pretty(self)?)
    }
}

/// As a table in Markdown: a row for each suite, a column for each kernel.
impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut suites: Vec<&String> = self.0.values().flat_map(BTreeMap::keys).collect();
        suites.sort();
        suites.dedup();
        let mut rows = vec![vec!["suite".to_owned()]];
        rows[0].extend(self.0.keys().cloned());
        for suite in suites {
            let cells = self.0.values().map(|column| {
                let outcome = column.get(suite);
                outcome.map_or("–".to_owned(), Outcome::to_string)
            });
            rows.push(std::iter::once(suite.clone()).chain(cells).collect());
        }
        f.write_str(&markdown(&rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_run_has_passed_tests_and_no_failed_ones() {
        let outcome = |status, passed, failed| Outcome {
            status,
            passed,
            failed,
            seconds: 7,
        };
        for (outcome, text) in [
            (outcome(Some(0), 85, 0), "85, 7 s"),
            (outcome(Some(0), 0, 0), "NO TESTS"),
            (outcome(Some(101), 84, 1), "1 FAILED"),
            // The program itself was killed, or its guest.
            (outcome(Some(101), 0, 0), "STATUS 101"),
            (outcome(Some(122), 0, 0), "STATUS 122"),
            (outcome(None, 0, 0), "KILLED"),
        ] {
            assert_eq!(outcome.to_string(), text);
            assert_eq!(outcome.is_good(), text == "85, 7 s");
        }
    }

    #[test]
    fn the_table_has_a_row_for_each_suite_and_a_column_for_each_kernel() {
        let mut results = Results::default();
        let good = Outcome {
            status: Some(0),
            passed: 3,
            failed: 0,
            seconds: 1,
        };
        let arm64 = results.0.entry("arm64, 1 CPU".into()).or_default();
        arm64.insert("hello".into(), good.clone());
        let debug = results.0.entry("arm64-debug, 2 CPUs".into()).or_default();
        debug.insert("faults".into(), good);
        assert_eq!(
            results.to_string(),
            "\
| suite  | arm64, 1 CPU | arm64-debug, 2 CPUs |
| ------ | ------------ | ------------------- |
| faults | –            | 3, 1 s              |
| hello  | 3, 1 s       | –                   |
"
        );
    }
}
