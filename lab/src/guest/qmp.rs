//! QEMU's monitor: one line of JSON for each command and each answer, over a socket.

use anyhow::{bail, Context, Result};
use nix::sched::{sched_getaffinity, sched_setaffinity, CpuSet};
use nix::sys::socket::{sendmsg, ControlMessage, MsgFlags};
use nix::unistd::Pid;
use serde_json::{json, Value};
use std::fs::File;
use std::io::{BufRead, BufReader, IoSlice, Write};
use std::os::unix::io::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

/// How often it is asked how far a state is written.
const POLL: Duration = Duration::from_millis(20);

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

    /// Writes the guest's state into a file, and returns when the guest has come to a halt and all of
    /// it is written.
    pub fn save(&mut self, file: &File) -> Result<()> {
        let request = json!({ "execute": "getfd", "arguments": { "fdname": "state" } });
        let line = format!("{request}\n");
        let fds = [file.as_raw_fd()];
        sendmsg::<()>(
            self.stream.get_ref().as_raw_fd(),
            &[IoSlice::new(line.as_bytes())],
            &[ControlMessage::ScmRights(&fds)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .context("cannot give QEMU a file")?;
        self.answer(&request)?;
        // It is a file, and nobody else has to get a share of a network.
        let all = json!({ "max-bandwidth": i64::MAX });
        self.execute("migrate-set-parameters", all)?;
        self.execute("migrate", json!({ "uri": "fd:state" }))?;
        loop {
            let state = self.execute("query-migrate", json!({}))?;
            match state["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("setup" | "active" | "device" | "pre-switchover") | None => {}
                Some(_) => bail!("QEMU cannot save the guest's state: {state}"),
            }
            thread::sleep(POLL);
        }
    }

    fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.stream.get_mut(), "{request}").context("cannot write to QEMU's monitor")?;
        self.answer(&request)
    }

    fn answer(&mut self, request: &Value) -> Result<Value> {
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
