//! How fast the counts of each CPU grow, for people and for programs.

use std::time::Duration;

use abi::percpu_counter::percpu_counter_cpu;
use anyhow::{Context, Result};
use cli::{per_second, Align};
use serde::Serialize;

#[derive(Serialize)]
pub struct Rates {
    seconds: f64,
    cpus: Vec<Cpu>,
    total: Rate,
}

#[derive(Serialize)]
struct Cpu {
    cpu: u32,
    #[serde(flatten)]
    rate: Rate,
}

#[derive(Clone, Copy, Serialize)]
struct Rate {
    events_per_second: f64,
    bytes_per_second: f64,
}

/// How much a count has grown; all of it, if it is less than before, because it was reset then.
fn growth(before: u64, after: u64) -> u64 {
    after.checked_sub(before).unwrap_or(after)
}

impl Rates {
    /// The rates between two looks at the same CPUs, `time` apart.
    pub fn new(
        before: &[percpu_counter_cpu],
        after: &[percpu_counter_cpu],
        time: Duration,
    ) -> Rates {
        let rate = |events, bytes| Rate {
            events_per_second: per_second(events, time),
            bytes_per_second: per_second(bytes, time),
        };
        let (mut events_of_all, mut bytes_of_all) = (0u64, 0u64);
        let cpus = before.iter().zip(after).map(|(before, after)| {
            let events = growth(before.events, after.events);
            let bytes = growth(before.bytes, after.bytes);
            events_of_all = events_of_all.wrapping_add(events);
            bytes_of_all = bytes_of_all.wrapping_add(bytes);
            Cpu {
                cpu: after.cpu,
                rate: rate(events, bytes),
            }
        });
        Rates {
            seconds: time.as_secs_f64(),
            cpus: cpus.collect(),
            total: rate(events_of_all, bytes_of_all),
        }
    }

    /// One line for each CPU, and one for the total.
    pub fn table(&self) -> String {
        let head = ["cpu", "events/s", "bytes/s"];
        let row = |name: String, rate: Rate| {
            vec![
                name,
                format!("{:.1}", rate.events_per_second),
                format!("{:.1}", rate.bytes_per_second),
            ]
        };
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(
            self.cpus
                .iter()
                .map(|cpu| row(cpu.cpu.to_string(), cpu.rate)),
        );
        rows.push(row("total".to_owned(), self.total));
        cli::table(&[Align::Left, Align::Right, Align::Right], &rows)
    }

    /// One line, an object.
    pub fn json(&self) -> Result<String> {
        let json = serde_json::to_string(self).context("cannot make JSON of the rates")?;
        Ok(json + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cpu(cpu: u32, events: u64, bytes: u64) -> percpu_counter_cpu {
        percpu_counter_cpu {
            cpu,
            online: 1,
            events,
            bytes,
        }
    }

    fn rates() -> Rates {
        let before = [cpu(0, 100, 0), cpu(2, 7, 70)];
        let after = [cpu(0, 105, 0), cpu(2, 8, 570)];
        Rates::new(&before, &after, Duration::from_millis(500))
    }

    #[test]
    fn people_see_a_line_for_each_cpu_and_the_sum() {
        assert_eq!(
            rates().table(),
            "cpu    events/s  bytes/s\n\
             0          10.0      0.0\n\
             2           2.0   1000.0\n\
             total      12.0   1000.0\n"
        );
    }

    #[test]
    fn programs_see_the_same_as_one_line() {
        assert_eq!(
            rates().json().unwrap(),
            "{\"seconds\":0.5,\"cpus\":[\
             {\"cpu\":0,\"events_per_second\":10.0,\"bytes_per_second\":0.0},\
             {\"cpu\":2,\"events_per_second\":2.0,\"bytes_per_second\":1000.0}],\
             \"total\":{\"events_per_second\":12.0,\"bytes_per_second\":1000.0}}\n"
        );
    }

    #[test]
    fn after_a_reset_only_what_was_counted_since_is_growth() {
        let rates = Rates::new(&[cpu(0, 100, 9)], &[cpu(0, 3, 2)], Duration::from_secs(1));
        assert_eq!(rates.total.events_per_second, 3.0);
        assert_eq!(rates.total.bytes_per_second, 2.0);
    }

    proptest! {
        #[test]
        fn the_total_is_the_sum_of_the_cpus(
            counts in prop::collection::vec((0u64..1 << 40, 0u64..1 << 30), 1..8),
            milliseconds in 1u64..100_000,
        ) {
            let before: Vec<_> = counts.iter().map(|&(start, _)| cpu(0, start, start)).collect();
            let after: Vec<_> =
                counts.iter().map(|&(start, more)| cpu(0, start + more, start + 2 * more)).collect();
            let rates = Rates::new(&before, &after, Duration::from_millis(milliseconds));
            let grown: u64 = counts.iter().map(|&(_, more)| more).sum();
            let expected = grown as f64 * 1000.0 / milliseconds as f64;
            let near = |got: f64, expected: f64| (got - expected).abs() <= expected * 1e-9;
            prop_assert!(near(rates.total.events_per_second, expected));
            prop_assert!(near(rates.total.bytes_per_second, 2.0 * expected));
            let events: f64 = rates.cpus.iter().map(|cpu| cpu.rate.events_per_second).sum();
            prop_assert!(near(events, expected));
        }
    }
}
