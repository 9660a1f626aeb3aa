//! Who runs the jobs.

use super::{outcome, parallel, slurm, Outcome};
use crate::guest::qemu;
use anyhow::{bail, Context, Result};
use cli::{Waiter, Wake};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked which jobs of another engine have ended.
const POLL: Duration = Duration::from_millis(200);

/// Which engine, and how many jobs at a time.
#[derive(clap::Args)]
pub struct Engine {
    /// Who runs the guests; what parallel and slurm are to know besides, they take from variables, as
    /// PARALLEL='--sshlogin a,b' or SBATCH_PARTITION; all machines have to see the same files
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    engine: Which,
    /// How many guests run at a time [default: as many as this machine has CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    /// The lab itself, on this machine
    #[default]
    Local,
    /// GNU parallel
    Parallel,
    /// Slurm, as one array of jobs
    Slurm,
}

/// Another program that runs jobs.
pub(super) struct Other {
    pub child: Child,
    /// What ends the jobs when it is told to.
    pub end: Box<dyn Fn(&mut Child)>,
}

impl Engine {
    /// Refuses what cannot run here, before any work.
    pub fn check(&self) -> Result<()> {
        match self.engine {
            Which::Local => Ok(()),
            Which::Parallel => parallel::check(),
            Which::Slurm => slurm::check(),
        }
    }

    /// Has the jobs in these folders run, in about this order, and tells of each when it has ended.
    /// Their list and what the engine says are kept in `place`.
    pub fn run(
        &self,
        place: &Path,
        jobs: &[PathBuf],
        mut done: impl FnMut(usize, Option<Outcome>) -> Result<()>,
    ) -> Result<()> {
        // However many CPUs a guest has: most of its time it boots, runs one thing, or waits.
        let cpus = || thread::available_parallelism().map_or(1, usize::from);
        let at_once = self.jobs.map_or_else(cpus, |jobs| jobs as usize);
        let start = match self.engine {
            _ if jobs.is_empty() => return Ok(()),
            Which::Local => return local(jobs, at_once, done),
            Which::Parallel => parallel::start,
            Which::Slurm => slurm::start,
        };
        // Before there is anything that a signal is to end.
        let waiter = Waiter::new()?;
        let other = start(place, jobs, at_once);
        let result = other.and_then(|mut other| watch(&mut other, &waiter, jobs, &mut done));
        waiter.unblock()?;
        result
    }
}

/// Runs them here.
fn local(
    jobs: &[PathBuf],
    at_once: usize,
    mut done: impl FnMut(usize, Option<Outcome>) -> Result<()>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..at_once.min(jobs.len()) {
            let (tell, next) = (tell.clone(), &next);
            scope.spawn(move || loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let ended = match jobs.get(number) {
                    Some(job) => run_here(job),
                    None => return,
                };
                // Nobody listens after an error.
                if tell.send((number, ended)).is_err() {
                    return;
                }
            });
        }
        drop(tell);
        for (number, ended) in told {
            done(number, ended?)?;
        }
        Ok(())
    })
}

fn run_here(folder: &Path) -> Result<Option<Outcome>> {
    let mut lab = Command::new(std::env::current_exe()?);
    lab.arg("job").arg(folder);
    lab.stdin(Stdio::null()).stdout(Stdio::null());
    qemu::end_with_lab(&mut lab, Signal::SIGTERM);
    lab.status().context("cannot run lab job")?;
    outcome(folder)
}

/// Waits for another engine.
fn watch(
    other: &mut Other,
    waiter: &Waiter,
    jobs: &[PathBuf],
    done: &mut impl FnMut(usize, Option<Outcome>) -> Result<()>,
) -> Result<()> {
    let mut missing: Vec<usize> = (0..jobs.len()).collect();
    let mut has_run = false;
    loop {
        // Asked first: what ended before it is then seen.
        let ended = other.child.try_wait()?;
        let mut still = Vec::new();
        for number in missing {
            match outcome(&jobs[number])? {
                Some(outcome) => {
                    has_run = true;
                    done(number, Some(outcome))?;
                }
                None if ended.is_some() => done(number, None)?,
                None => still.push(number),
            }
        }
        missing = still;
        if let Some(status) = ended {
            // They tell with their status that a job has failed, too.
            if !status.success() && !has_run {
                bail!("the engine ended with {status} and has run nothing");
            }
            return Ok(());
        }
        if let Wake::Stop = waiter.sleep(Instant::now() + POLL)? {
            (other.end)(&mut other.child);
            other.child.wait()?;
            return Ok(());
        }
    }
}

/// Starts a program that is to end with the lab, and whose words go where the lab's go.
pub(super) fn start(command: &mut Command) -> Result<Child> {
    qemu::end_with_lab(command, Signal::SIGTERM);
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {program}"))
}

/// Sends a signal to a child, which may be gone.
pub(super) fn signal(child: &Child, signal: Signal) {
    let _gone = kill(Pid::from_raw(child.id() as i32), signal);
}
