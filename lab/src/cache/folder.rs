//! Each run's own folder: its initramfs, its logs and sockets, QEMU's command line, and how to repeat
//! it. Its name is the run's id.

use super::runs::{self, Record};
use crate::cache::{self, Lock};
use anyhow::{bail, Context, Result};
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::io::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};

/// How many folders of runs that are over are kept.
const KEEP: usize = 20;
/// Held by the lab, and by QEMU, while the run lives.
pub(super) const LIVE: &str = "live";

/// The folder of a live run.
pub struct Folder {
    pub path: PathBuf,
    /// What was given; otherwise it gets a free number.
    id: Option<String>,
    /// What the guest runs.
    command: Vec<OsString>,
    live: Option<Lock>,
}

impl Folder {
    /// A new one, which is not there yet. An id is refused whose run lives.
    pub fn planned(id: Option<&str>, command: &[OsString]) -> Result<Folder> {
        Folder::inside(&runs::dir()?, id, command)
    }

    fn inside(parent: &Path, id: Option<&str>, command: &[OsString]) -> Result<Folder> {
        if let Some(run) = id
            .map(|id| runs::find_in(parent, id))
            .transpose()?
            .flatten()
        {
            return Err(taken(&run.id, Some(run.record.pid)));
        }
        Ok(Folder {
            path: parent.join(id.map_or_else(|| free(parent), str::to_owned)),
            id: id.map(str::to_owned),
            command: command.to_owned(),
            live: None,
        })
    }

    /// Makes it, if that was not done yet, and removes the oldest of those whose run is over. Only then
    /// is its path certain.
    pub fn make(&mut self) -> Result<()> {
        if self.live.is_some() {
            return Ok(());
        }
        let parent = self.path.parent().context("a run's folder is in another")?;
        let parent = parent.to_owned();
        let _lock = runs::lock(&parent)?;
        if self.id.is_none() {
            self.path = parent.join(free(&parent));
        }
        cache::make_dir(&self.path)?;
        self.live = Lock::try_take(&self.file(LIVE))?;
        if self.live.is_none() {
            return Err(taken(self.id.as_deref().unwrap_or_default(), None));
        }
        // Those of an earlier run of this id.
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if !path.ends_with(LIVE) {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        // Its time is that of the run's beginning.
        self.write(LIVE, b"")?;
        self.write(
            runs::RECORD,
            &serde_json::to_vec(&Record::new(&self.command))?,
        )?;
        self.write(runs::REPEAT, &runs::repeat()?)?;
        remove_old(&self.path)
    }

    fn write(&self, name: &str, contents: &[u8]) -> Result<()> {
        let path = self.file(name);
        fs::write(&path, contents).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes it, if it was made, as no guest was started.
    pub fn remove(self) -> Result<()> {
        match self.live {
            Some(_) => fs::remove_dir_all(&self.path)
                .with_context(|| format!("cannot remove {}", self.path.display())),
            None => Ok(()),
        }
    }

    /// What tells that the run lives, for whoever lives with it.
    pub fn live(&self) -> Option<RawFd> {
        self.live.as_ref().map(|lock| lock.0.as_raw_fd())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn taken(id: &str, pid: Option<u32>) -> anyhow::Error {
    let process = pid.map_or(String::new(), |pid| format!(", as process {pid}"));
    anyhow::anyhow!(
        "there is a run {id} already{process}; give another --run-id, or end it with `lab stop`"
    )
}

/// The lowest number that no folder has.
fn free(parent: &Path) -> String {
    let mut numbers = (1..).map(|number: u64| number.to_string());
    let free = numbers.find(|name| !parent.join(name).exists());
    free.unwrap_or_default()
}

fn remove_old(mine: &Path) -> Result<()> {
    let parent = mine.parent().context("a run's folder is in another")?;
    let mut folders = Vec::new();
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        // What has none is no run's folder, or is just being removed.
        if let Ok(live) = fs::metadata(path.join(LIVE)) {
            folders.push((live.modified()?, path));
        }
    }
    folders.sort();
    let old = folders.len().saturating_sub(KEEP + 1);
    for (_, path) in folders.iter().take(old).filter(|(_, path)| path != mine) {
        if let Ok(Some(_lock)) = Lock::try_take(&path.join(LIVE)) {
            match fs::remove_dir_all(path) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    bail!("cannot remove the old run {}: {e}", path.display())
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(parent: &Path, id: Option<&str>) -> Result<Folder> {
        let mut folder = Folder::inside(&parent.join("run"), id, &["true".into()])?;
        folder.make()?;
        Ok(folder)
    }

    #[test]
    fn old_folders_go_and_live_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let live = make(dir.path(), None).unwrap();
        let old = make(dir.path(), None).unwrap().path;
        let long_ago = nix::sys::time::TimeVal::new(1, 0);
        nix::sys::stat::utimes(&old.join(LIVE), &long_ago, &long_ago).unwrap();
        for _ in 0..KEEP {
            make(dir.path(), None).unwrap();
        }
        assert!(!old.exists());
        let planned = Folder::inside(&dir.path().join("run"), None, &[]).unwrap();
        assert_eq!(planned.path, old, "its number is free again");
        assert!(!old.exists());
        let new = make(dir.path(), None).unwrap();
        assert!(live.path.exists() && new.path.exists());
        let folders = fs::read_dir(dir.path().join("run")).unwrap();
        assert_eq!(folders.count(), KEEP + 2);
    }

    #[test]
    fn an_id_has_one_run_at_a_time_and_keeps_nothing_of_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let first = make(dir.path(), Some("a")).unwrap();
        fs::write(first.file("console.log"), "first").unwrap();
        let error = make(dir.path(), Some("a")).err().unwrap().to_string();
        assert!(error.contains("a run a already"), "{error}");
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        assert!(first.file("console.log").exists());
        drop(first);
        let second = make(dir.path(), Some("a")).unwrap();
        assert!(!second.file("console.log").exists());
        second.remove().unwrap();
        assert!(!dir.path().join("run/a").exists());
    }

    #[test]
    fn folders_that_are_made_side_by_side_are_not_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let folders: Vec<Folder> = std::thread::scope(|scope| {
            let make = || make(dir.path(), None).unwrap();
            let threads = [(); 8].map(|()| scope.spawn(make));
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let mut paths: Vec<&PathBuf> = folders.iter().map(|folder| &folder.path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), 8);
    }
}
