//! The folder of a sweep, which no other one has.

use crate::cache::{self, Lock};
use crate::jobs;
use anyhow::{bail, Context, Result};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

const SWEEP: &str = "sweep.json";
const LOCK: &str = "lock";

/// What makes one sweep the continuation of another; its file says whose folder that is.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub struct Sweep {
    pub command: Vec<OsString>,
    /// Those of `lab run` that all guests have alike.
    pub options: Vec<OsString>,
}

/// Makes the folder ready for the sweep, whose it is as long as the lock is held.
pub fn take(place: &Path, sweep: &Sweep, resume: bool) -> Result<(PathBuf, Lock)> {
    let has_others = || {
        let mut names = fs::read_dir(place).into_iter().flatten().flatten();
        names.any(|entry| entry.file_name() != LOCK)
    };
    if !place.join(SWEEP).is_file() && has_others() {
        bail!(
            "{} has other files than a sweep's; name another folder with --output",
            place.display()
        );
    }
    cache::make_dir(place)?;
    let place = fs::canonicalize(place)?;
    let lock = Lock::try_take(&place.join(LOCK))?
        .with_context(|| format!("another sweep is at work in {}", place.display()))?;
    let path = place.join(SWEEP);
    let before: Option<Sweep> = jobs::read(&path)?;
    if resume && before.map_or(false, |before| before != *sweep) {
        bail!(
            "--resume: the sweep in {} had another command or other options",
            place.display()
        );
    }
    jobs::write(&path, &serde_json::to_vec_pretty(sweep)?)?;
    let runs = place.join("runs");
    if !resume && runs.is_dir() {
        fs::remove_dir_all(&runs).with_context(|| format!("cannot remove {}", runs.display()))?;
    }
    Ok((place, lock))
}
