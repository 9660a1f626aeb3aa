//! The runs that live, and how each is repeated. What a run is called is the name of its folder.

use super::folder::LIVE;
use crate::cache::{self, Lock};
use anyhow::{bail, Context, Result};
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The files of a run's folder that say what it is.
pub(super) const RECORD: &str = "run.json";
pub(super) const REPEAT: &str = "repeat.sh";

/// The variables that make a difference for a lab, and those that begin with RLKM_.
const VARIABLES: [&str; 4] = ["XDG_CACHE_HOME", "HOME", "CARGO_TARGET_DIR", "PATH"];

/// What is known of a run from its beginning.
#[derive(Serialize, Deserialize)]
pub struct Record {
    /// The lab's process.
    pub pid: u32,
    /// When it began, in seconds since 1970.
    pub since: u64,
    /// The guest's command, as one would type it.
    pub command: String,
}

impl Record {
    pub(super) fn new(command: &[OsString]) -> Record {
        let words = command.iter().map(|word| word.to_string_lossy());
        let words: Vec<String> = words
            .map(|word| shlex::try_quote(&word).map_or_else(|_| "…".into(), |word| word.into()))
            .collect();
        Record {
            pid: std::process::id(),
            since: now(),
            command: words.join(" "),
        }
    }

    /// How long it has been running, in whole seconds.
    pub fn age(&self) -> Duration {
        Duration::from_secs(now().saturating_sub(self.since))
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// A run that lives.
pub struct Run {
    pub id: String,
    pub folder: PathBuf,
    pub record: Record,
}

impl Run {
    /// Whether the lab's process is still there.
    pub fn is_there(&self) -> bool {
        use nix::errno::Errno;
        let pid = nix::unistd::Pid::from_raw(self.record.pid as i32);
        nix::sys::signal::kill(pid, None) != Err(Errno::ESRCH)
    }
}

/// Where the folders of runs are.
pub fn dir() -> Result<PathBuf> {
    Ok(cache::dir()?.join("run"))
}

/// Held for moments by whoever makes a folder of a run there, or looks which of them live.
pub(super) fn lock(dir: &Path) -> Result<Lock> {
    cache::make_dir(dir)?;
    Lock::wait(&dir.with_extension("lock"))
}

/// The runs that live, in the order of their beginning.
pub fn live() -> Result<Vec<Run>> {
    live_in(&dir()?)
}

/// The run of that id, which has to live.
pub fn find(id: &str) -> Result<Run> {
    let runs = live()?;
    let ids: Vec<String> = runs.iter().map(|run| run.id.clone()).collect();
    match runs.into_iter().find(|run| run.id == id) {
        Some(run) => Ok(run),
        None if ids.is_empty() => bail!("there is no run {id}, and no other either"),
        None => bail!("there is no run {id}; there are: {}", ids.join(", ")),
    }
}

pub(super) fn find_in(dir: &Path, id: &str) -> Result<Option<Run>> {
    Ok(live_in(dir)?.into_iter().find(|run| run.id == id))
}

fn live_in(dir: &Path) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    if !dir.is_dir() {
        return Ok(runs);
    }
    let _lock = lock(dir)?;
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let folder = entry?.path();
        let live = folder.join(LIVE);
        if !live.is_file() || Lock::try_take(&live)?.is_some() {
            continue;
        }
        // A lab that is older than this one writes none.
        let record = fs::read(folder.join(RECORD)).ok();
        let record = record.and_then(|record| serde_json::from_slice(&record).ok());
        if let (Some(record), Some(id)) = (record, folder.file_name().and_then(OsStr::to_str)) {
            runs.push(Run {
                id: id.to_owned(),
                record,
                folder,
            });
        }
    }
    runs.sort_by(|a, b| (a.record.since, &a.id).cmp(&(b.record.since, &b.id)));
    Ok(runs)
}

/// The variables of this lab that make a difference for a lab.
pub fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| {
        let is_ours = name.as_bytes().starts_with(b"RLKM_");
        is_ours || VARIABLES.iter().any(|variable| name == *variable)
    })
}

/// A shell script that does what this lab was told to do.
pub(super) fn repeat() -> Result<Vec<u8>> {
    let here = std::env::current_dir().context("cannot tell the working directory")?;
    let quoted = |word: &OsStr| shlex::bytes::try_quote(word.as_bytes()).map(Into::into);
    let mut text = b"#!/bin/sh\n# Repeats this run.\ncd ".to_vec();
    let mut add = |before: &[u8], word: &OsStr| -> Result<()> {
        let word: Vec<u8> = quoted(word)?;
        text.extend_from_slice(before);
        text.extend(word);
        Ok(())
    };
    add(b"", here.as_os_str())?;
    let mut between: &[u8] = b" || exit\n";
    for (name, value) in variables() {
        add(between, &name)?;
        add(b"=", &value)?;
        between = b" \\\n";
    }
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    add(between, program.as_os_str())?;
    for word in std::env::args_os().skip(1) {
        add(b" ", &word)?;
    }
    text.push(b'\n');
    Ok(text)
}

/// An id for a run: a file's name that no shell takes for anything else.
pub fn parse_id(text: &str) -> Result<String, String> {
    let is_first = |c: char| c.is_ascii_alphanumeric();
    let is_next = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.len() <= 64 && text.starts_with(is_first) && text.chars().all(is_next) {
        return Ok(text.to_owned());
    }
    Err("give up to 64 letters, digits, dots, underscores and hyphens, such as `a-1`".into())
}
