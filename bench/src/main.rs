//! Measures the modules beside their twins in C, inside a guest that `lab bench` boots.
//!
//! Each line of output is a row of figures in JSON. What they mean is in docs/bench.md.

mod clock;
mod hello;
mod ksort;
mod misc;
mod module;
mod percpu_counter;
mod profile;
mod sample;
mod search;
mod simrupt;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use clock::Unit;
use std::process::ExitCode;

/// Measure modules beside their twins in C; one line of JSON for each row of figures.
///
/// To be run as root in a guest that has both in /modules, as `lab bench` does.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Args {
    /// What to measure
    #[arg(required = true, value_enum)]
    cases: Vec<Case>,
    /// Measure nothing; have the lab record what runs, as `lab bench --profile` does
    #[arg(long)]
    profile: bool,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Case {
    /// A system call that does nothing
    Syscall,
    Hello,
    MiscMutex,
    MiscSpinlock,
    MiscRcu,
    PercpuCounter,
    /// The same in nanoseconds
    PercpuCounterWall,
    Simrupt,
    Ksort,
    /// In nanoseconds, with one CPU and with more
    KsortWall,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    for case in &args.cases {
        match case {
            _ if args.profile => profile::run(*case)?,
            Case::Syscall => syscall()?,
            Case::Hello => hello::run()?,
            Case::MiscMutex => misc::run("misc_mutex", sample::compare)?,
            Case::MiscSpinlock => misc::run("misc_spinlock", sample::compare)?,
            Case::MiscRcu => misc::run("misc_rcu", sample::compare)?,
            Case::PercpuCounter => percpu_counter::run(Unit::Instructions)?,
            Case::PercpuCounterWall => percpu_counter::run(Unit::Nanoseconds)?,
            Case::Ksort => ksort::instructions()?,
            Case::KsortWall => ksort::wall()?,
            Case::Simrupt => simrupt::run()?,
        }
    }
    Ok(())
}

/// What every system call costs, whatever it does.
fn syscall() -> Result<()> {
    const CALLS: u64 = 20_000;
    let mut values = Vec::new();
    for _ in 0..sample::PAIRS {
        let busy = clock::busy(|| {
            for _ in 0..CALLS {
                let _parent = std::os::unix::process::parent_id();
            }
            Ok(())
        })?;
        values.push(busy as f64 / CALLS as f64);
    }
    sample::Sample {
        case: "syscall",
        op: "getppid",
        side: sample::Side::Userland,
        unit: "instructions",
        cpus: 1,
        elements: None,
        values: &values,
    }
    .print()
}
