//! What a profile is made of: a case's work, a few times, while the lab records each instruction
//! that runs.
//!
//! Each step is a line of JSON, which the lab answers with a line.

use crate::module::Module;
use crate::sample::{Side, Work};
use crate::{hello, ksort, misc, percpu_counter, simrupt, Case};
use anyhow::{bail, ensure, Context, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::parent_id;

/// Each is as the one before, but for what is done once in some of them, as a page of memory taken.
pub const CALLS: u64 = 200;

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Step<'a> {
    /// Work is about to begin.
    Begin,
    /// It is over.
    End {
        op: &'a str,
        side: Side,
        count: u64,
        sections: BTreeMap<String, u64>,
    },
}

pub(super) fn run(case: Case) -> Result<()> {
    match case {
        Case::Hello => hello::profile(),
        Case::MiscMutex => misc::run("misc_mutex", compare),
        Case::MiscSpinlock => misc::run("misc_spinlock", compare),
        Case::MiscRcu => misc::run("misc_rcu", compare),
        Case::PercpuCounter => percpu_counter::profile(),
        Case::Simrupt => simrupt::profile(),
        Case::Ksort => ksort::profile(),
        Case::Syscall | Case::PercpuCounterWall | Case::KsortWall => {
            bail!("there is nothing of a module's to be counted")
        }
    }
}

/// As [`crate::sample::compare`], for the lab to record.
pub fn compare(case: &str, op: &str, _count: u64, sides: [(Side, Work); 2]) -> Result<()> {
    for (side, work) in sides {
        record(case, op, side, CALLS, work)?;
    }
    Ok(())
}

/// Has the lab record what runs while work is done `count` times, after a tenth of that to warm up.
/// Where it begins and where it ends there is a getppid(2), which nobody else calls.
pub fn record(
    case: &str,
    op: &str,
    side: Side,
    count: u64,
    mut work: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    let before = sections(case, side)?;
    tell(&Step::Begin)?;
    if count >= 10 {
        work(count / 10)?;
    }
    let _mark = parent_id();
    work(count)?;
    let _mark = parent_id();
    let sections = match before {
        Some(before) => before,
        None => sections(case, side)?.context("the module is loaded neither before nor after")?,
    };
    tell(&Step::End {
        op,
        side,
        count,
        sections,
    })
}

/// Returns once the lab has done its part.
fn tell(step: &Step) -> Result<()> {
    println!("{}", serde_json::to_string(step)?);
    let got = std::io::stdin().read_line(&mut String::new())?;
    ensure!(got > 0, "nobody records; `lab bench --profile` does");
    Ok(())
}

/// Where the kernel has put the sections of a module, if it is loaded.
fn sections(case: &str, side: Side) -> Result<Option<BTreeMap<String, u64>>> {
    let folder = format!("/sys/module/{}/sections", Module::name(case, side));
    let files = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        files => files.with_context(|| format!("cannot read {folder}"))?,
    };
    let mut sections = BTreeMap::new();
    for file in files {
        let path = file?.path();
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let address = u64::from_str_radix(text.trim().trim_start_matches("0x"), 16)
            .with_context(|| format!("{}: {text:?} is no address", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        sections.insert(name.into_owned(), address);
    }
    Ok(Some(sections))
}
