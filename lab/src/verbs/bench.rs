//! `lab bench`: the modules beside their twins in C, measured in guests.

use crate::bench::figures::{Row, Sample};
use crate::bench::guests::{Guests, CASES};
use crate::bench::{plot, profile, report, size};
use crate::cache;
use crate::kernels::arch::Arch;
use crate::kernels::tree;
use crate::kernels::which::Which;
use crate::output::{self, say};
use crate::steps::Steps;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Measure the modules beside their twins in C
///
/// It says whether the aims are met. Guests count instructions (`lab run --icount`) where one CPU is
/// enough, and take the time where several are needed. Everything that counts is run twice: two runs
/// that differ by more than 1 % are an error. `make bench` builds what is needed and runs this.
///
/// If all cases are measured, the table is written into docs/bench.md, and all figures into
/// docs/bench; with arm64 the plots, too.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    guests: tree::Guests,
    /// Measure this case only, and write no files; may be given more than once
    #[arg(long, value_name = "CASE", value_parser = clap::builder::PossibleValuesParser::new(CASES))]
    only: Vec<String>,
    /// Print all figures in JSON, and not the table
    #[arg(long)]
    json: bool,
    /// Print what is in the .text of a module and of its twin, and measure nothing
    #[arg(long, value_name = "MODULE")]
    text: Option<String>,
    /// Print which functions a case runs, how many instructions of each, and measure nothing
    ///
    /// Ours beside the twin's: all of the kernel's functions and the module's, those first where
    /// they differ most. Each instruction is seen, in a guest with one CPU, which has to be arm64.
    ///
    /// Of misc_mutex, misc_spinlock, misc_rcu and percpu_counter, the system calls are counted, each
    /// from its exception to its return: not those that an interrupt comes into, and not what is
    /// left to be done later. Of the others, it is whatever the kernel does meanwhile, in whichever
    /// thread or interrupt: in simrupt for each byte, the idle loop included; in ksort for each of
    /// 10,000 elements, by `auto`; in hello for one load and one unload. That can take half a minute.
    #[arg(
        long,
        value_name = "CASE",
        value_parser = clap::builder::PossibleValuesParser::new(profile::cases()),
        conflicts_with_all = ["only", "json", "text"]
    )]
    profile: Option<String>,
}

/// By how much two runs that count instructions may differ.
const SPREAD: f64 = 0.01;

pub fn main(args: Args) -> Result<u8> {
    let checkout = cache::checkout()?;
    if let Some(module) = args.text {
        return output::print(size::text(&checkout, &module)?);
    }
    let arch = args.guests.arch.0;
    let kdir = args.guests.kdir(&Which::default())?;
    let steps = Steps::new(cache::dir()?.join("log/bench.log"))?;
    let guests = Guests::new(arch, &kdir, &checkout)?;
    if let Some(case) = args.profile {
        let name = format!("{case}: recording");
        return output::print(steps.step(&name, || profile::profile(&guests, &case))?);
    }
    let wanted = |case: &str| args.only.is_empty() || args.only.iter().any(|only| only == case);
    let mut samples: Vec<Sample> = Vec::new();
    for case in CASES.into_iter().filter(|case| wanted(case)) {
        samples.extend(size::samples(&checkout, case)?);
        samples.extend(guests.measure(&steps, case)?);
    }
    let rows = Row::of(samples);
    let about = report::About::new(arch, &kdir)?;

    let text = match args.json {
        true => report::json(&about, &rows)?,
        false => report::table(&rows),
    };
    let printed = output::print(text);
    let unstable = report::unstable(&rows, SPREAD);
    for row in &unstable {
        say!("two runs differ by more than {} %: {row}", SPREAD * 100.0);
    }
    if !unstable.is_empty() {
        return Ok(1);
    }
    if args.only.is_empty() {
        write(&checkout, arch, &about, &rows)?;
    }
    printed
}

/// Writes what docs/bench.md shows and links to.
fn write(checkout: &Path, arch: &Arch, about: &report::About, rows: &[Row]) -> Result<()> {
    let folder = checkout.join("docs/bench");
    cache::make_dir(&folder)?;
    let page = checkout.join("docs/bench.md");
    let text =
        fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let text = report::with_table(&text, arch.name, &report::table(rows))
        .with_context(|| format!("{}: nowhere to put the table", page.display()))?;
    let json = folder.join(format!("{}.json", arch.name));
    let mut files = vec![(page, text), (json, report::json(about, rows)?)];
    // The page has one of each, and what it says of them is of this architecture.
    if arch.name == "arm64" {
        files.push((folder.join("ksort.svg"), plot::elements(rows)?));
        files.push((folder.join("scaling.svg"), plot::scaling(rows)?));
    }
    for (path, text) in files {
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        say!("wrote {}", path.display());
    }
    Ok(())
}
