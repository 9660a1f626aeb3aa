//! `lab suites`: all test programs in guests, several at a time, and a table of how they ended.

use super::runner::Snapshots;
use crate::cache;
use crate::decode::Decoder;
use crate::guest;
use crate::guest::qemu;
use crate::kernels::arch::Arch;
use crate::kernels::tree;
use crate::kernels::variant::Variant;
use crate::output::{self, say};
use crate::steps;
use crate::suites::programs::{counts, programs};
use crate::suites::results::{Outcome, Results};
use anyhow::{bail, Context, Result};
use nix::sys::signal::Signal;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// Run test programs in guests, several at a time, and print a table
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
    #[command(flatten)]
    snapshot: Snapshots,
    /// Run nothing, and print the results that there are
    #[arg(long)]
    table: bool,
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
        return output::print(results.to_string());
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
                say!("{} on {column}: {outcome}", job.suite);
                if !outcome.is_good() {
                    if let Err(error) = show_end(arch, &kdir, &log) {
                        *result = Err(error);
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
    let printed = output::print(results.to_string());
    if !bad.is_empty() {
        say!(
            "{} of the runs on {kernel} failed; their output is in {}",
            bad.len(),
            folder.display()
        );
        return Ok(1);
    }
    printed
}

/// Shows the last lines of a run, those of the guest's kernel decoded.
fn show_end(arch: &Arch, kdir: &Path, log: &Path) -> Result<()> {
    let mut decoder = Decoder::of_guest(arch, &kdir.join(arch.image), Vec::new())?;
    let tail = decoder.decode(steps::tail(log, 150)?.as_bytes());
    say!(
        "the last lines of its output:\n{}",
        steps::indented(&String::from_utf8_lossy(&tail))
    );
    for remark in decoder.remarks() {
        say!("{remark}");
    }
    Ok(())
}

impl Job {
    fn run(&self, args: &Args, kdir: &Path, log: &Path) -> Result<Outcome> {
        let start = Instant::now();
        let mut status = self.guest(args, kdir, log)?;
        // 6.1 hangs in its boot now and then, in what PROVE_RCU has RCU try of itself: long before
        // there is a module or a test.
        if status == Some(guest::NOT_BOOTED.into()) {
            say!("{}: the guest did not boot; once more", self.suite);
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
            .args(["--snapshot", args.snapshot.snapshot.name()])
            .arg(&self.binary)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        qemu::end_with_lab(&mut command, Signal::SIGTERM);
        let status = command.status().context("cannot run lab runner")?;
        Ok(status.code())
    }
}
