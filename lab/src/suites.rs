//! `lab suites`: all test programs in guests, several at a time, and a table of how they ended.

use crate::guest;
use crate::steps;
use crate::tree;
use crate::variant::Variant;
use crate::{cache, qemu};
use anyhow::{bail, Context, Result};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// Run test programs in guests, several at a time, and print a table of how they ended.
///
/// Reads from stdin which programs there are, as `cargo test --no-run --message-format=json` says
/// it. Each runs as `lab runner` runs it, once for each number of CPUs; of one that fails, the
/// output's end is printed. All output is kept in target/suites, and so are the results:
/// `lab suites --table` prints those of the last runs of all kernels.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    guests: tree::Guests,
    /// Which of the lab's own trees to boot
    #[arg(long, env = "RLKM_VARIANT", value_enum, default_value_t)]
    variant: Variant,
    /// Numbers of CPUs, separated by commas
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u32).range(1..),
        default_value = "1,2,4"
    )]
    cpus: Vec<u32>,
    /// How many guests run at a time [default: as many as this machine has CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// Run nothing, and print the results that there are
    #[arg(long)]
    table: bool,
}

/// How one program's run in one guest ended.
#[derive(Clone, Serialize, Deserialize, Debug, PartialEq, Eq)]
struct Outcome {
    /// The status of `lab runner`.
    status: Option<i32>,
    passed: u32,
    failed: u32,
    seconds: u64,
}

impl Outcome {
    fn is_good(&self) -> bool {
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
struct Results(BTreeMap<String, BTreeMap<String, Outcome>>);

impl Results {
    fn read(path: &Path) -> Result<Results> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{}: not what lab writes; delete it", path.display())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Results::default()),
            Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
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
        let widths: Vec<usize> = (0..=self.0.len())
            .map(|column| {
                let lengths = rows.iter().map(|row| row[column].chars().count());
                lengths.max().unwrap_or(0)
            })
            .collect();
        for (number, row) in rows.iter().enumerate() {
            for (cell, &width) in row.iter().zip(&widths) {
                write!(f, "| {cell:width$} ")?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                for &width in &widths {
                    write!(f, "| {:-<width$} ", "")?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

/// One program, in one guest.
struct Job {
    suite: String,
    binary: PathBuf,
    cpus: u32,
}

pub fn main(args: Args) -> Result<u8> {
    let folder = cache::target(&cache::checkout()?).join("suites");
    let path = folder.join("results.json");
    let mut results = Results::read(&path)?;
    if args.table {
        print!("{results}");
        return Ok(0);
    }

    let arch = args.guests.arch.0;
    let kdir = args.guests.kdir(args.variant)?;
    let kernel = Variant::of_tree(&kdir)
        .with_context(|| format!("{}: not a built tree", kdir.display()))?
        .tree(arch);
    let programs = programs(io::stdin().lock())?;
    if programs.is_empty() {
        bail!("cargo named no test programs on stdin; see lab suites --help");
    }
    cache::make_dir(&folder)?;
    let column = |cpus: u32| format!("{kernel}, {cpus} CPU{}", if cpus == 1 { "" } else { "s" });

    let mut jobs = Vec::new();
    for &cpus in &args.cpus {
        jobs.extend(programs.iter().map(|(suite, binary)| Job {
            suite: suite.clone(),
            binary: binary.clone(),
            cpus,
        }));
    }
    // What takes longest comes first, so that no guest is left alone at the end: as long as the last
    // time, or who knows, but a large program has many tests.
    jobs.sort_by_cached_key(|job| {
        let before = results.0.get(&column(job.cpus));
        let before = before.and_then(|column| column.get(&job.suite));
        let size = fs::metadata(&job.binary).map_or(0, |metadata| metadata.len());
        std::cmp::Reverse((before.map_or(u64::MAX, |outcome| outcome.seconds), size))
    });
    let jobs = Mutex::new(VecDeque::from(jobs));
    // Nothing of an earlier run is to be taken for one of this.
    for &cpus in &args.cpus {
        results.0.remove(&column(cpus));
    }
    results.write(&path)?;

    // However many CPUs a guest has: most of its time it boots, runs one test, or waits.
    let at_once = args
        .jobs
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from) as u32);
    let done = Mutex::new((&mut results, Ok(())));
    let work = || loop {
        let job = match jobs.lock().unwrap().pop_front() {
            Some(job) => job,
            None => return,
        };
        let column = column(job.cpus);
        let log = folder.join(format!("{}-{}-{}.log", kernel, job.cpus, job.suite));
        let outcome = job.run(&args, &kdir, &log);
        let (results, result) = &mut *done.lock().unwrap();
        match outcome {
            Ok(outcome) => {
                eprintln!("lab: {} on {column}: {outcome}", job.suite);
                if !outcome.is_good() {
                    match steps::tail(&log, 150) {
                        Ok(tail) => eprintln!("{tail}"),
                        Err(error) => *result = Err(error),
                    }
                }
                let column = results.0.entry(column).or_default();
                column.insert(job.suite, outcome);
                if let Err(error) = results.write(&path) {
                    *result = Err(error);
                }
            }
            Err(error) => *result = Err(error),
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(work);
        }
    });
    let (_, result) = done.into_inner().unwrap();
    result?;
    let bad: Vec<&Outcome> = args
        .cpus
        .iter()
        .flat_map(|&cpus| results.0[&column(cpus)].values())
        .filter(|outcome| !outcome.is_good())
        .collect();
    print!("{results}");
    if !bad.is_empty() {
        eprintln!(
            "lab: {} of the runs on {kernel} failed; their output is in {}",
            bad.len(),
            folder.display()
        );
        return Ok(1);
    }
    Ok(0)
}

impl Job {
    fn run(&self, args: &Args, kdir: &Path, log: &Path) -> Result<Outcome> {
        let start = Instant::now();
        let mut status = self.guest(args, kdir, log)?;
        // 6.1 hangs in its boot now and then, in what PROVE_RCU has RCU try of itself: long before
        // there is a module or a test.
        if status == Some(guest::NOT_BOOTED.into()) {
            eprintln!("lab: {}: the guest did not boot; once more", self.suite);
            status = self.guest(args, kdir, log)?;
        }
        let text = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
        let (passed, failed) = counts(&String::from_utf8_lossy(&text)).unwrap_or((0, 0));
        Ok(Outcome {
            status,
            passed,
            failed,
            seconds: start.elapsed().as_secs(),
        })
    }

    /// Runs the program in one guest, and returns the status of `lab runner`.
    fn guest(&self, args: &Args, kdir: &Path, log: &Path) -> Result<Option<i32>> {
        let output =
            File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["runner", "--arch", args.guests.arch.0.name])
            .args(["--cpus", &self.cpus.to_string()])
            // A test that hangs is ended by its suite; this is for a guest that does.
            .args(["--timeout", "3600"])
            .arg("--kdir")
            .arg(kdir)
            .arg(&self.binary)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        qemu::end_with_lab(&mut command, Signal::SIGTERM);
        let status = command.status().context("cannot run lab runner")?;
        Ok(status.code())
    }
}

/// The names and paths of the test programs in cargo's messages, which are lines of JSON. Those of
/// a build that failed are an error: not all programs are there.
fn programs(messages: impl BufRead) -> Result<Vec<(String, PathBuf)>> {
    let mut programs = Vec::new();
    let mut is_finished = false;
    for line in messages.lines() {
        let line = line.context("cannot read cargo's messages")?;
        let message: serde_json::Value = serde_json::from_str(&line)
            .with_context(|| format!("not one of cargo's messages: {line}"))?;
        is_finished |= message["reason"] == "build-finished" && message["success"] == true;
        let program = message["executable"].as_str();
        if message["profile"]["test"] != true {
            continue;
        }
        if let (Some(name), Some(path)) = (message["target"]["name"].as_str(), program) {
            programs.push((name.to_owned(), path.into()));
        }
    }
    if !is_finished {
        bail!("cargo has not built the test programs");
    }
    Ok(programs)
}

/// How many tests passed and failed, as a test program says at its end.
fn counts(output: &str) -> Option<(u32, u32)> {
    let line = output
        .lines()
        .rev()
        .find(|line| line.starts_with("test result: "))?;
    let number = |what: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let place = words.iter().position(|word| *word == what)?;
        words.get(place.checked_sub(1)?)?.parse().ok()
    };
    Some((number("passed;")?, number("failed;")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_programs_last_words_are_counted() {
        let output = "\
            test a ... ok\n\
            test result: FAILED. 84 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 58.86s\n\
            \n";
        assert_eq!(counts(output), Some((84, 1)));
        assert_eq!(counts("lab: a time-out\n"), None);
    }

    #[test]
    fn only_test_programs_are_taken_from_cargos_messages() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"abi"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","target":{"name":"tests"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","target":{"name":"hello"},"profile":{"test":true},"executable":"/t/hello-1"}
{"reason":"build-finished","success":true}"#;
        let found = programs(messages.trim_start().as_bytes()).unwrap();
        assert_eq!(found, [("hello".to_owned(), PathBuf::from("/t/hello-1"))]);
        assert!(programs("error: no such thing\n".as_bytes()).is_err());
        let unfinished = messages.rsplit_once('\n').unwrap().0;
        assert!(programs(unfinished.trim_start().as_bytes()).is_err());
    }

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
