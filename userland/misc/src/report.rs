//! What hammer has done, for people and for programs.

use anyhow::{Context, Result};
use cli::{per_second, Align};
use serde::Serialize;

use crate::hammer::{Outcome, Plan, Tally};

#[derive(Serialize)]
pub struct Report {
    node: String,
    seconds: f64,
    readers: Side,
    writers: Side,
    torn: u64,
    stale: u64,
}

/// The threads of one kind.
#[derive(Serialize)]
struct Side {
    threads: u32,
    operations: u64,
    operations_per_second: f64,
    bytes: u64,
}

impl Report {
    pub fn new(plan: &Plan, outcome: &Outcome) -> Report {
        let side = |threads, tally: Tally| Side {
            threads,
            operations: tally.operations,
            operations_per_second: per_second(tally.operations, outcome.elapsed),
            bytes: tally.bytes,
        };
        Report {
            node: plan.node.clone(),
            seconds: outcome.elapsed.as_secs_f64(),
            readers: side(plan.readers, outcome.read),
            writers: side(plan.writers, outcome.written),
            torn: outcome.torn,
            stale: outcome.stale,
        }
    }

    /// One line for each side, and what was wrong.
    pub fn table(&self) -> String {
        let heads = ["", "threads", "operations", "per second", "bytes"];
        let side = |name: &str, side: &Side| {
            vec![
                name.to_owned(),
                side.threads.to_string(),
                side.operations.to_string(),
                format!("{:.1}", side.operations_per_second),
                side.bytes.to_string(),
            ]
        };
        let rows = [
            heads.map(str::to_owned).to_vec(),
            side("readers", &self.readers),
            side("writers", &self.writers),
        ];
        let mut columns = [Align::Right; 5];
        columns[0] = Align::Left;
        format!(
            "{}{} torn and {} stale messages in {:.3} seconds\n",
            cli::table(&columns, &rows),
            self.torn,
            self.stale,
            self.seconds
        )
    }

    /// One line, an object.
    pub fn json(&self) -> Result<String> {
        let json = serde_json::to_string(self).context("cannot make JSON of the report")?;
        Ok(json + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn report() -> Report {
        let plan = Plan {
            node: "/dev/misc_rcu".to_owned(),
            readers: 3,
            writers: 10,
            run: 1,
        };
        let outcome = Outcome {
            elapsed: Duration::from_millis(500),
            read: Tally {
                operations: 1000,
                bytes: 70_000,
            },
            written: Tally {
                operations: 25,
                bytes: 2_000,
            },
            torn: 1,
            stale: 2,
            faults: Vec::new(),
        };
        Report::new(&plan, &outcome)
    }

    #[test]
    fn people_see_a_line_for_each_side() {
        assert_eq!(
            report().table(),
            "         threads  operations  per second  bytes\n\
             readers        3        1000      2000.0  70000\n\
             writers       10          25        50.0   2000\n\
             1 torn and 2 stale messages in 0.500 seconds\n"
        );
    }

    #[test]
    fn programs_see_the_same_as_one_line() {
        assert_eq!(
            report().json().unwrap(),
            "{\"node\":\"/dev/misc_rcu\",\"seconds\":0.5,\
             \"readers\":{\"threads\":3,\"operations\":1000,\
             \"operations_per_second\":2000.0,\"bytes\":70000},\
             \"writers\":{\"threads\":10,\"operations\":25,\
             \"operations_per_second\":50.0,\"bytes\":2000},\
             \"torn\":1,\"stale\":2}\n"
        );
    }
}
