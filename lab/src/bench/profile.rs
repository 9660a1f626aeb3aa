//! Which functions run, of the kernel, of a module and of its twin, and how many instructions of
//! each. While the guest's program works, QEMU runs one instruction at a time and logs it: nothing
//! is sampled, and nothing depends on when.

use super::figures::Side;
use super::guests::{modules, Guests, CASES};
use super::trace::{addresses, Code, Counts, Kernel, What};
use crate::guest::qemu;
use crate::guest::qmp::Monitor;
use anyhow::{anyhow, bail, ensure, Context, Result};
use nix::sys::{signal::Signal, stat::Mode};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

/// Those that have a module.
pub fn cases() -> impl Iterator<Item = &'static str> {
    CASES.into_iter().filter(|case| *case != "syscall")
}

/// What the guest's program is about to do, or has done.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    Begin,
    End(Work),
}

/// The work of one side.
#[derive(Deserialize)]
struct Work {
    op: String,
    side: Side,
    count: u64,
    /// Where the module's are.
    sections: BTreeMap<String, u64>,
}

impl Work {
    fn what(&self) -> What {
        match self.op.as_str() {
            "read" => What::Calls("vfs_read"),
            "write" | "count" => What::Calls("vfs_write"),
            _ => What::All(self.count),
        }
    }
}

/// The tables of a case.
pub fn profile(guests: &Guests, case: &str) -> Result<String> {
    let arch = guests.arch;
    ensure!(
        arch.name == "arm64",
        "there is no profile of {arch} guests, only of arm64: where a system call begins differs"
    );
    let map = guests.kdir.join("System.map");
    let kernel = fs::read_to_string(&map)
        .with_context(|| format!("cannot read {}; is that tree built?", map.display()))?;
    let kernel = Kernel::parse(&kernel).with_context(|| format!("in {}", map.display()))?;
    let paths = modules(guests.checkout, case);

    let mut ops: BTreeMap<String, [Option<Counts>; 2]> = BTreeMap::new();
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    for (work, trace) in record(guests, case, folder.path())? {
        let i = usize::from(work.side == Side::C);
        let module = Code::module(&paths[i], &work.sections)?;
        let counts = Counts::of(&trace, work.what(), &kernel, &module)
            .with_context(|| format!("{}: {} cannot be counted", paths[i].display(), work.op))?;
        ops.entry(work.op).or_default()[i] = Some(counts);
    }
    let mut text = String::new();
    for (op, sides) in ops {
        match sides {
            [Some(ours), Some(c)] => table(&mut text, &format!("{case}, {op}"), &ours, &c)?,
            _ => bail!("the bench did {op} of {case} for one side alone"),
        }
    }
    Ok(text)
}

/// Has the guest's program do its work, and QEMU log it.
fn record(guests: &Guests, case: &str, folder: &Path) -> Result<Vec<(Work, Vec<u64>)>> {
    let mut log = Log::new(folder)?;
    let errors = folder.join("errors");
    let mut lab: Command = guests.lab(case, 1, true)?;
    lab.arg("--qmp").arg(&log.socket);
    lab.args(["--", "bench", "--profile", case]);
    lab.stdin(Stdio::piped()).stdout(Stdio::piped());
    lab.stderr(File::create(&errors)?);
    qemu::end_with_lab(&mut lab, Signal::SIGTERM);
    let mut lab = lab.spawn().context("cannot run the lab")?;
    let mut answers = lab.stdin.take().context("no stdin of the lab")?;
    let steps = lab.stdout.take().context("no stdout of the lab")?;

    let mut records = Vec::new();
    for line in BufReader::new(steps).lines() {
        let line = line?;
        let step = serde_json::from_str(&line)
            .with_context(|| format!("the bench printed what is no step: {line}"))?;
        // The program waits for the answer: what is logged begins and ends while it does.
        match step {
            Step::Begin => log.begin()?,
            Step::End(work) => records.push((work, log.end()?)),
        }
        answers.write_all(b"go on\n")?;
    }
    let status = lab.wait()?;
    if !status.success() {
        let said = fs::read_to_string(&errors)?;
        bail!(
            "the bench of {case} failed ({status}):\n{}",
            said.trim_end()
        );
    }
    Ok(records)
}

/// QEMU's log, which is read while it is written: some hundred bytes for each instruction.
struct Log {
    socket: PathBuf,
    listener: UnixListener,
    monitor: Option<Monitor>,
    pipe: PathBuf,
    reader: Option<JoinHandle<Result<Vec<u64>>>>,
}

impl Log {
    fn new(folder: &Path) -> Result<Log> {
        let [socket, pipe] = ["qmp", "log"].map(|name| folder.join(name));
        nix::unistd::mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR)
            .with_context(|| format!("cannot make {}", pipe.display()))?;
        Ok(Log {
            listener: UnixListener::bind(&socket)
                .with_context(|| format!("cannot listen at {}", socket.display()))?,
            socket,
            monitor: None,
            pipe,
            reader: None,
        })
    }

    fn monitor(&mut self) -> Result<&mut Monitor> {
        // QEMU has connected before there was a guest that could say anything.
        match &mut self.monitor {
            Some(monitor) => Ok(monitor),
            none => Ok(none.insert(Monitor::new(self.listener.accept()?.0)?)),
        }
    }

    fn begin(&mut self) -> Result<()> {
        let pipe = self.pipe.clone();
        let file = format!("logfile {:?}", self.pipe);
        // Opening either end of the pipe waits for the other.
        self.reader = Some(thread::spawn(|| {
            addresses(BufReader::new(File::open(pipe)?))
        }));
        // While it runs, QEMU is in the middle of blocks of many instructions.
        let one_by_one = ["stop", &file, "singlestep on", "log exec,nochain", "cont"];
        for command in one_by_one {
            self.monitor()?.run(command)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<Vec<u64>> {
        // The last one closes the pipe.
        for command in ["log none", "singlestep off", "logfile /dev/null"] {
            self.monitor()?.run(command)?;
        }
        let reader = self.reader.take().context("an end without a beginning")?;
        let trace = reader.join().map_err(|_| anyhow!("its thread panicked"));
        trace
            .and_then(|trace| trace)
            .context("cannot read QEMU's log")
    }
}

/// A line for each function; those come first where the sides differ most.
fn table(text: &mut String, what: &str, ours: &Counts, c: &Counts) -> Result<()> {
    let (all, all_c, calls, calls_c) = (ours.all(), c.all(), ours.calls, c.calls);
    writeln!(
        text,
        "{what}: {all:.1} instructions ours, {all_c:.1} in C (means of {calls} and {calls_c})"
    )?;
    writeln!(text, "{:>9} {:>9} {:>9}", "ours", "C", "ours - C")?;
    let functions: BTreeSet<&String> = ours.functions.keys().chain(c.functions.keys()).collect();
    let mut rows: Vec<(f64, f64, &str)> = functions
        .into_iter()
        .map(|function| (ours.each(function), c.each(function), function.as_str()))
        .collect();
    rows.sort_by(|a, b| {
        let difference = |row: &(f64, f64, &str)| (row.0 - row.1).abs();
        let more = f64::total_cmp(&difference(b), &difference(a));
        more.then(b.0.total_cmp(&a.0))
    });
    // What would be shown as nothing is not shown.
    rows.retain(|row| row.0.max(row.1) >= 0.05);
    for (ours, c, function) in rows {
        writeln!(text, "{ours:9.1} {c:9.1} {:+9.1} {function}", ours - c)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(functions: &[(&str, u64)]) -> Counts {
        let own = |&(name, count): &(&str, u64)| (name.to_owned(), count);
        Counts {
            calls: 10,
            functions: functions.iter().map(own).collect(),
        }
    }

    #[test]
    fn the_greatest_difference_comes_first_and_what_is_the_same_last() {
        let ours = counts(&[
            ("memcpy", 100),
            ("read [ours]", 205),
            ("vfs_read", 70),
            ("once", 0),
        ]);
        let c = counts(&[("memcpy", 340), ("mutex_lock", 50), ("vfs_read", 70)]);
        let mut text = String::new();
        table(&mut text, "ours, read", &ours, &c).unwrap();
        assert_eq!(
            text,
            "\
ours, read: 37.5 instructions ours, 46.0 in C (means of 10 and 10)
     ours         C  ours - C
     10.0      34.0     -24.0 memcpy
     20.5       0.0     +20.5 read [ours]
      0.0       5.0      -5.0 mutex_lock
      7.0       7.0      +0.0 vfs_read
"
        );
    }

    #[test]
    fn a_step_says_what_is_counted() {
        let step = r#"{"end":{"op":"count","side":"c","count":200,"sections":{".text":16}}}"#;
        match serde_json::from_str(step).unwrap() {
            Step::End(work) => {
                assert_eq!(work.side, Side::C);
                assert!(matches!(work.what(), What::Calls("vfs_write")));
                assert_eq!(work.sections[".text"], 16);
            }
            Step::Begin => panic!("not the beginning"),
        }
        assert!(matches!(
            serde_json::from_str(r#""begin""#),
            Ok(Step::Begin)
        ));
    }
}
