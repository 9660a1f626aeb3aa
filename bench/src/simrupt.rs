//! simrupt: what a byte costs on its way from the timer to a reader, and how fast they may come.

use crate::clock::{busy, now};
use crate::module::Module;
use crate::profile::record;
use crate::sample::{Sample, Side, PAIRS};
use crate::search::least;
use abi::simrupt::{get_stats, simrupt_stats};
use anyhow::{ensure, Context, Result};
use std::fs::File;
use std::io::Read;

const SIDES: [Side; 2] = [Side::Ours, Side::C];
const BYTES: u64 = 5_000;
/// What others do is to be little beside it, a tick of the clock in 20 of them above all.
const PROFILED: u64 = 500;
const SECOND: u64 = 1_000_000_000;

/// So that the pipeline has come to rest before the next byte: each one goes all the way alone.
const PERIOD_US: u64 = 200;

/// The module's own range, and the period of 20,000 bytes a second at its end.
const PERIODS_US: std::ops::RangeInclusive<u64> = 10..=50;

pub fn run() -> Result<()> {
    wait_for_the_waker()?;
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..PAIRS {
        for (&side, costs) in SIDES.iter().zip(&mut costs) {
            let module = load(side, PERIOD_US)?;
            let mut node = module.open()?;
            receive(&mut node, BYTES / 10)?;
            let busy = busy(|| receive(&mut node, BYTES))?;
            let stats = get_stats(&node)?;
            ensure!(dropped(&stats) == 0, "bytes were lost: {stats:?}");
            costs.push(busy as f64 / BYTES as f64);
        }
    }
    for (&side, values) in SIDES.iter().zip(&costs) {
        print("byte", side, "instructions", values)?;
    }
    for side in SIDES {
        let period = least(PERIODS_US, |period| keeps_up(side, period))?;
        let period = period.with_context(|| {
            format!(
                "{side:?}: bytes are lost even at one in {} us",
                PERIODS_US.end()
            )
        })?;
        print("rate", side, "bytes a second", &[1e6 / period as f64])?;
    }
    Ok(())
}

/// The way of some bytes, from the timer to this thread.
pub fn profile() -> Result<()> {
    wait_for_the_waker()?;
    for side in SIDES {
        let module = load(side, PERIOD_US)?;
        // No byte comes while the lab takes its time: they do to an open node alone.
        let mut node = None;
        record("simrupt", "byte", side, PROFILED, |count| {
            let node = match &mut node {
                Some(node) => node,
                none => none.insert(module.open()?),
            };
            receive(node, count)
        })?;
    }
    Ok(())
}

/// Makes this thread one that never preempts who wakes it. Else the scheduler decides, by what has
/// been before, whether a byte takes three switches of threads or four, a tenth of all it costs.
fn wait_for_the_waker() -> Result<()> {
    let normal = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameter lives until the call returns.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &normal) };
    nix::errno::Errno::result(result).context("cannot become SCHED_BATCH")?;
    Ok(())
}

fn print(op: &str, side: Side, unit: &str, values: &[f64]) -> Result<()> {
    Sample {
        case: "simrupt",
        op,
        side,
        unit,
        cpus: 1,
        elements: None,
        values,
    }
    .print()
}

fn load(side: Side, period_us: u64) -> Result<Module> {
    Module::load("simrupt", side, &format!("log=0 period_us={period_us}"))
}

/// Reads as many bytes, and makes sure that none is missing among them.
fn receive(node: &mut File, count: u64) -> Result<()> {
    let mut buffer = [0; 64];
    let mut last: Option<u8> = None;
    let mut left = count as usize;
    while left > 0 {
        let room = left.min(buffer.len());
        let got = node.read(&mut buffer[..room]).context("cannot read")?;
        ensure!(got > 0, "the stream ended");
        for &byte in &buffer[..got] {
            if let Some(last) = last {
                let next = if last == 0x7e { 0x20 } else { last + 1 };
                ensure!(byte == next, "after {last:#x} came {byte:#x}");
            }
            last = Some(byte);
        }
        left -= got;
    }
    Ok(())
}

/// Whether a reader gets all bytes for a second, and the timer comes in time: an interrupt that
/// comes after the next one was due is one that never was, and nobody counts it.
fn keeps_up(side: Side, period_us: u64) -> Result<bool> {
    let module = load(side, period_us)?;
    let mut node = module.open()?;
    let due = SECOND / (period_us * 1_000);
    let start = now()?;
    let mut buffer = [0; 4096];
    while now()? - start < SECOND {
        ensure!(
            node.read(&mut buffer).context("cannot read")? > 0,
            "the stream ended"
        );
    }
    let stats = get_stats(&node)?;
    Ok(dropped(&stats) == 0 && stats.produced >= due - due / 1_000)
}

fn dropped(stats: &simrupt_stats) -> u64 {
    stats.dropped_ring + stats.dropped_fifo + stats.dropped_close
}
