//! QEMU's monitor: one line of JSON for each command and each answer, over a socket.

use anyhow::{bail, Context, Result};
use nix::sched::{sched_getaffinity, sched_setaffinity, CpuSet};
use nix::unistd::Pid;
use serde_json::{json, Value};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

pub struct Monitor {
    stream: BufReader<UnixStream>,
}

impl Monitor {
    /// Greets the QEMU that has connected.
    pub fn new(stream: UnixStream) -> Result<Monitor> {
        let mut monitor = Monitor {
            stream: BufReader::new(stream),
        };
        monitor.execute("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// Runs one of those commands that are for people. They say something only if they fail.
    pub fn run(&mut self, line: &str) -> Result<()> {
        let said = self.execute("human-monitor-command", json!({ "command-line": line }))?;
        match said.as_str() {
            Some("") => Ok(()),
            _ => bail!("QEMU does not {line:?}, and says {said}"),
        }
    }

    /// Keeps each CPU of the guest on one of those that the lab may use, in turn.
    ///
    /// The host's scheduler may leave two of them on one while another has nothing to do.
    pub fn pin(&mut self) -> Result<()> {
        let all =
            sched_getaffinity(Pid::from_raw(0)).context("cannot tell which CPUs there are")?;
        let usable: Vec<usize> = (0..CpuSet::count())
            .filter(|&cpu| all.is_set(cpu).unwrap_or(false))
            .collect();
        let cpus = self.execute("query-cpus-fast", json!({}))?;
        let threads = cpus.as_array().into_iter().flatten();
        let threads: Option<Vec<i64>> = threads.map(|cpu| cpu["thread-id"].as_i64()).collect();
        let threads = threads.with_context(|| format!("QEMU says of its CPUs: {cpus}"))?;
        for (thread, &cpu) in threads.into_iter().zip(usable.iter().cycle()) {
            let mut one = CpuSet::new();
            one.set(cpu)?;
            sched_setaffinity(Pid::from_raw(thread.try_into()?), &one)
                .with_context(|| format!("cannot keep a CPU of the guest on CPU {cpu}"))?;
        }
        Ok(())
    }

    fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.stream.get_mut(), "{request}").context("cannot write to QEMU's monitor")?;
        loop {
            let mut line = String::new();
            let got = self.stream.read_line(&mut line);
            if got.context("cannot read from QEMU's monitor")? == 0 {
                bail!("QEMU closed its monitor instead of an answer to {request}");
            }
            let mut answer: Value = serde_json::from_str(&line)
                .with_context(|| format!("QEMU's monitor said what is not JSON: {line}"))?;
            // The greeting, and what happens meanwhile, are neither.
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {request}: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A QEMU that says one thing after the other, whatever it is asked.
    fn monitor(says: &str) -> (Result<Monitor>, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(says.as_bytes()).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        (Monitor::new(ours), theirs)
    }

    #[test]
    fn an_answer_is_found_between_greeting_and_events() {
        let says = "{\"QMP\":{}}\n{\"return\":{}}\n{\"event\":\"STOP\"}\n{\"return\":\"\"}\n{\"return\":\"unknown command\"}\n";
        let (monitor, theirs) = monitor(says);
        let mut monitor = monitor.unwrap();
        monitor.run("log none").unwrap();
        let error = monitor.run("jump").unwrap_err().to_string();
        assert!(
            error.contains("jump") && error.contains("unknown command"),
            "{error}"
        );
        assert!(monitor
            .run("log none")
            .unwrap_err()
            .to_string()
            .contains("closed"));
        drop(monitor);
        let asked: Vec<Value> = BufReader::new(theirs)
            .lines()
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect();
        assert_eq!(asked[0]["execute"], "qmp_capabilities");
        assert_eq!(asked[1]["arguments"]["command-line"], "log none");
    }

    #[test]
    fn what_qemu_refuses_is_an_error() {
        let (monitor, _theirs) = monitor("{\"error\":{\"desc\":\"no\"}}\n");
        assert!(monitor.err().unwrap().to_string().contains("\"no\""));
    }
}
