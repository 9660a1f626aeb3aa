//! `lab suites`: all test programs in guests, several at a time, and a table of how they ended.

use super::runner::Snapshots;
use crate::cache;
use crate::decode::Decoder;
use crate::jobs::engine::Engine;
use crate::jobs::{self, Job};
use crate::kernels::arch::Arch;
use crate::kernels::tree;
use crate::kernels::variant::Variant;
use crate::kernels::which::Which;
use crate::output::{self, say};
use crate::steps;
use crate::suites::cases::tests;
use crate::suites::programs::{counts, programs};
use crate::suites::reports::{junit, ktap, Run};
use crate::suites::results::{Outcome, Results};
use crate::suites::shard::Shard;
use anyhow::{bail, Context, Result};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Run test programs in guests, several at a time, and print a table
///
/// Reads from stdin which programs there are, as `cargo test --no-run --message-format=json` says
/// it. Each runs as `lab runner` runs it, once for each number of CPUs; of one that fails, the
/// output's end is printed. All output is kept in target/suites, and so are the results:
/// `lab suites --table` prints those of the last runs of all kernels. `lab job` repeats a single one of
/// the runs in target/suites/jobs.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    guests: tree::Guests,
    /// Which kernel to boot: plain, debug, or Debian's: stock, cloud, stock:6.1.0-57
    #[arg(
        long,
        alias = "variant",
        value_name = "KERNEL",
        env = "RLKM_KERNEL",
        default_value_t
    )]
    kernel: Which,
    /// Numbers of CPUs, separated by commas
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u32).range(1..),
        default_value = "1,2,4"
    )]
    cpus: Vec<u32>,
    #[command(flatten)]
    engine: Engine,
    /// Only the Kth of N parts, as for one of N machines
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
    /// Write the results of these runs as JUnit's XML, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write them as KTAP, too, which the kernel's own tools read
    #[arg(long, value_name = "FILE")]
    ktap: Option<PathBuf>,
    #[command(flatten)]
    snapshot: Snapshots,
    /// Run nothing, and print the results that there are
    #[arg(long)]
    table: bool,
}

/// One program, in one guest.
struct Suite {
    name: String,
    binary: PathBuf,
    cpus: u32,
    /// The kernel and the number of CPUs.
    column: String,
    /// Where the output goes, and what `lab job` needs.
    log: PathBuf,
    folder: PathBuf,
}

/// How much of a failed run's output is printed, in lines, and how much a report has.
const SHOWN: usize = 150;

pub fn main(args: Args) -> Result<u8> {
    let folder = cache::target(&cache::checkout()?).join("suites");
    let path = folder.join("results.json");
    let mut results = Results::read(&path)?;
    if args.table {
        return output::print(results.to_string());
    }

    args.engine.check()?;
    let arch = args.guests.arch.0;
    let kdir = args.guests.kdir(&args.kernel)?;
    let kernel = Variant::of_tree(&kdir)
        .with_context(|| format!("{}: not a built tree", kdir.display()))?
        .tree(arch);
    let programs = programs(io::stdin().lock())?;
    if programs.is_empty() {
        bail!("cargo named no test programs on stdin; see lab suites --help");
    }
    cache::make_dir(&folder)?;
    // Another engine's runs may begin in another folder.
    let folder = fs::canonicalize(&folder)?;

    let mut suites = suites(&args, programs, &kernel, &folder);
    // What takes longest comes first, so that no guest is left alone at the end: as long as the last
    // time, or who knows, but a large program has many tests.
    suites.sort_by_cached_key(|suite| {
        let before = results.0.get(&suite.column);
        let before = before.and_then(|column| column.get(&suite.name));
        let size = fs::metadata(&suite.binary).map_or(0, |metadata| metadata.len());
        std::cmp::Reverse((before.map_or(u64::MAX, |outcome| outcome.seconds), size))
    });
    for suite in &suites {
        // Nothing of an earlier run is to be taken for one of this; other parts are not this run's.
        let column = results.0.entry(suite.column.clone()).or_default();
        column.retain(|name, _| args.shard.is_some() && *name != suite.name);
        suite.job(&args, &kdir)?.write(&suite.folder)?;
    }
    results.write(&path)?;

    let folders: Vec<PathBuf> = suites.iter().map(|suite| suite.folder.clone()).collect();
    let mut runs: Vec<Run> = Vec::new();
    args.engine.run(&folder, &folders, |number, outcome| {
        let suite = &suites[number];
        let run = suite.run(outcome)?;
        say!("{} on {}: {}", suite.name, suite.column, run.outcome);
        if !run.outcome.is_good() {
            show_end(arch, &kdir, &run.tail)?;
        }
        let column = results.0.entry(suite.column.clone()).or_default();
        column.insert(suite.name.clone(), run.outcome.clone());
        runs.push(run);
        results.write(&path)
    })?;
    runs.sort_by(|a, b| (&a.guest, &a.suite).cmp(&(&b.guest, &b.suite)));
    for (file, text) in [(&args.junit, junit(&runs)), (&args.ktap, ktap(&runs))] {
        if let Some(file) = file {
            jobs::write(file, text.as_bytes())?;
        }
    }
    let bad = runs.iter().filter(|run| !run.outcome.is_good()).count();
    let printed = output::print(results.to_string());
    if bad > 0 {
        say!(
            "{bad} of the runs on {kernel} failed; their output is in {}",
            folder.display()
        );
        return Ok(1);
    }
    printed
}

/// Shows how a run's output ends.
fn show_end(arch: &Arch, kdir: &Path, tail: &str) -> Result<()> {
    let mut decoder = Decoder::of_guest(arch, &kdir.join(arch.image), Vec::new())?;
    let tail = decoder.decode(tail.as_bytes());
    say!(
        "the last lines of its output:\n{}",
        steps::indented(&String::from_utf8_lossy(&tail))
    );
    for remark in decoder.remarks() {
        say!("{remark}");
    }
    Ok(())
}

/// Those that are to be run, in an order that is the same on each machine.
fn suites(
    args: &Args,
    mut programs: Vec<(String, PathBuf)>,
    kernel: &str,
    folder: &Path,
) -> Vec<Suite> {
    programs.sort();
    let mut suites = Vec::new();
    for &cpus in &args.cpus {
        let column = format!("{kernel}, {cpus} CPU{}", if cpus == 1 { "" } else { "s" });
        suites.extend(programs.iter().map(|(name, binary)| {
            let file = format!("{kernel}-{cpus}-{name}");
            Suite {
                name: name.clone(),
                binary: binary.clone(),
                cpus,
                column: column.clone(),
                log: folder.join(format!("{file}.log")),
                folder: folder.join("jobs").join(file),
            }
        }));
    }
    let suites = suites.into_iter().enumerate();
    let mine = suites.filter(|(number, _)| args.shard.map_or(true, |shard| shard.has(*number)));
    mine.map(|(_, suite)| suite).collect()
}

impl Suite {
    fn job(&self, args: &Args, kdir: &Path) -> Result<Job> {
        let mut words: Vec<OsString> = ["runner", "--arch", args.guests.arch.0.name]
            .map(OsString::from)
            .into();
        words.extend(["--cpus".into(), self.cpus.to_string().into()]);
        // A test that hangs is ended by its suite; this is for a guest that does.
        words.extend(["--timeout", "3600"].map(OsString::from));
        words.extend(["--kdir".into(), kdir.as_os_str().to_owned()]);
        words.extend(["--snapshot", args.snapshot.snapshot.name()].map(OsString::from));
        words.push(self.binary.clone().into_os_string());
        Job::new(words, [], self.log.clone(), self.log.clone())
    }

    /// What came of it.
    fn run(&self, outcome: Option<jobs::Outcome>) -> Result<Run> {
        let outcome = outcome.unwrap_or(jobs::Outcome {
            status: None,
            seconds: 0.0,
        });
        let text = match fs::read(&self.log) {
            // It never began.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text.with_context(|| format!("cannot read {}", self.log.display()))?,
        };
        let text = String::from_utf8_lossy(&text);
        let (passed, failed) = counts(&text).unwrap_or((0, 0));
        Ok(Run {
            suite: self.name.clone(),
            guest: self.column.clone(),
            outcome: Outcome {
                status: outcome.status,
                passed,
                failed,
                seconds: outcome.seconds as u64,
            },
            tests: tests(&text),
            tail: steps::last(&text, SHOWN),
        })
    }
}
