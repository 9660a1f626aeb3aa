//! percpu_counter: one count, by one thread on each of some CPUs at the same time.

use crate::clock::{now, Unit};
use crate::module::Module;
use crate::profile::{record, CALLS};
use crate::sample::{Sample, Side, PAIRS};
use anyhow::{bail, ensure, Context, Result};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::Pid;
use std::fs::File;
use std::io::Write;
use std::sync::Barrier;

const SIDES: [Side; 2] = [Side::Ours, Side::C];
const COUNTS: u64 = 20_000;

pub fn run(unit: Unit) -> Result<()> {
    let cpus = std::thread::available_parallelism()?.get();
    let [ours, c] = SIDES.map(load);
    let modules = [ours?, c?];
    for threads in [1, 2, 4].into_iter().filter(|&threads| threads <= cpus) {
        let mut values = [Vec::new(), Vec::new()];
        for pair in 0..=PAIRS {
            for (module, values) in modules.iter().zip(&mut values) {
                let each = count(module, threads)?;
                // The first one warms up.
                if pair > 0 {
                    values.push(each);
                }
            }
        }
        for (&side, values) in SIDES.iter().zip(&values) {
            Sample {
                case: "percpu_counter",
                op: "count",
                side,
                unit: unit.name(),
                cpus: threads,
                elements: None,
                values,
            }
            .print()?;
        }
    }
    Ok(())
}

/// One thread's counts. As above it is not the process's only one: what threads share costs more
/// to use, files among it.
pub fn profile() -> Result<()> {
    for side in SIDES {
        let module = load(side)?;
        let mut node = module.open()?;
        let work = |count| write_often(&mut node, count);
        let thread = || record("percpu_counter", "count", side, CALLS, work);
        let result = std::thread::scope(|scope| scope.spawn(thread).join());
        result.map_err(|_| anyhow::anyhow!("the thread panicked"))??;
    }
    Ok(())
}

fn load(side: Side) -> Result<Module> {
    Module::load("percpu_counter", side, "threads=0")
}

/// The time from the first thread's first count to the last one's last, for each count of all.
/// Where the clock counts instructions they are those of all CPUs.
fn count(module: &Module, threads: usize) -> Result<f64> {
    let barrier = Barrier::new(threads);
    let spans = std::thread::scope(|scope| {
        let barrier = &barrier;
        let mut running = Vec::new();
        for cpu in 0..threads {
            running.push(scope.spawn(move || count_on(module, cpu, barrier)));
        }
        let spans = running.into_iter().map(|thread| match thread.join() {
            Ok(span) => span,
            Err(_) => bail!("a thread panicked"),
        });
        spans.collect::<Result<Vec<_>>>()
    })?;
    let start = spans.iter().map(|span| span.0).min();
    let end = spans.iter().map(|span| span.1).max();
    let (start, end) = start.zip(end).context("no thread has counted")?;
    Ok((end - start) as f64 / (threads as u64 * COUNTS) as f64)
}

fn count_on(module: &Module, cpu: usize, barrier: &Barrier) -> Result<(u64, u64)> {
    let ready = || -> Result<_> {
        let mut only = CpuSet::new();
        only.set(cpu)?;
        sched_setaffinity(Pid::from_raw(0), &only)
            .with_context(|| format!("cannot move to CPU {cpu}"))?;
        module.open()
    };
    let node = ready();
    // Also when this one is not, or the others would wait for ever.
    barrier.wait();
    let mut node = node?;
    let start = now()?;
    write_often(&mut node, COUNTS)?;
    Ok((start, now()?))
}

fn write_often(node: &mut File, count: u64) -> Result<()> {
    for _ in 0..count {
        ensure!(
            node.write(b"x").context("cannot write")? == 1,
            "a short write"
        );
    }
    Ok(())
}
