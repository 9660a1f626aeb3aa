//! The counts of all CPUs, for people and for programs.

use abi::percpu_counter::percpu_counter_cpu;
use anyhow::{Context, Result};
use cli::Align;
use serde::Serialize;

#[derive(Serialize)]
pub struct Counts {
    cpus: Vec<Cpu>,
    total: Total,
}

#[derive(Serialize)]
struct Cpu {
    cpu: u32,
    online: bool,
    events: u64,
    bytes: u64,
}

/// The sum of the CPUs here, and not what the node says a moment later.
#[derive(Serialize)]
struct Total {
    events: u64,
    bytes: u64,
}

impl Counts {
    pub fn new(cpus: &[percpu_counter_cpu]) -> Counts {
        // The kernel's sums begin again at 0 as well.
        let sum = |count: fn(&percpu_counter_cpu) -> u64| {
            cpus.iter().map(count).fold(0, u64::wrapping_add)
        };
        Counts {
            total: Total {
                events: sum(|cpu| cpu.events),
                bytes: sum(|cpu| cpu.bytes),
            },
            cpus: cpus
                .iter()
                .map(|cpu| Cpu {
                    cpu: cpu.cpu,
                    online: cpu.online != 0,
                    events: cpu.events,
                    bytes: cpu.bytes,
                })
                .collect(),
        }
    }

    /// One line for each CPU, and one for the total.
    pub fn table(&self) -> String {
        let head = ["cpu", "online", "events", "bytes"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.cpus.iter().map(|cpu| {
            vec![
                cpu.cpu.to_string(),
                if cpu.online { "yes" } else { "no" }.to_owned(),
                cpu.events.to_string(),
                cpu.bytes.to_string(),
            ]
        }));
        rows.push(vec![
            "total".to_owned(),
            String::new(),
            self.total.events.to_string(),
            self.total.bytes.to_string(),
        ]);
        let columns = [Align::Left, Align::Left, Align::Right, Align::Right];
        cli::table(&columns, &rows)
    }

    /// One line, an object.
    pub fn json(&self) -> Result<String> {
        let json = serde_json::to_string(self).context("cannot make JSON of the counts")?;
        Ok(json + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> Counts {
        let cpu = |cpu, online, events, bytes| percpu_counter_cpu {
            cpu,
            online,
            events,
            bytes,
        };
        Counts::new(&[cpu(0, 1, 1200, 60), cpu(2, 0, 7, 1_000_000)])
    }

    #[test]
    fn people_see_a_line_for_each_cpu_and_the_sum() {
        assert_eq!(
            counts().table(),
            "cpu    online  events    bytes\n\
             0      yes       1200       60\n\
             2      no           7  1000000\n\
             total            1207  1000060\n"
        );
    }

    #[test]
    fn programs_see_the_same_as_one_line() {
        assert_eq!(
            counts().json().unwrap(),
            "{\"cpus\":[{\"cpu\":0,\"online\":true,\"events\":1200,\"bytes\":60},\
             {\"cpu\":2,\"online\":false,\"events\":7,\"bytes\":1000000}],\
             \"total\":{\"events\":1207,\"bytes\":1000060}}\n"
        );
    }
}
