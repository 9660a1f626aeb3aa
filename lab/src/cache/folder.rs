//! Each run's own folder: its initramfs, its console log, QEMU's command line.

use crate::cache::{self, Lock};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many folders of runs that are over are kept.
const KEEP: usize = 20;
/// Held by the lab while the run lives.
const LIVE: &str = "live";

/// The folder of a live run.
pub struct Folder {
    pub path: PathBuf,
    live: Option<Lock>,
}

impl Folder {
    /// A new one, which is not there yet.
    pub fn planned() -> Result<Folder> {
        Folder::inside(&cache::dir()?.join("run"))
    }

    fn inside(parent: &Path) -> Result<Folder> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let name = format!(
            "{}.{:03}-{}",
            since.as_secs(),
            since.subsec_millis(),
            std::process::id()
        );
        let path = parent.join(name);
        Ok(Folder { path, live: None })
    }

    /// Makes it, and removes the oldest of those whose run is over.
    pub fn make(&mut self) -> Result<()> {
        cache::make_dir(&self.path)?;
        self.live = Lock::try_take(&self.file(LIVE))?;
        remove_old(&self.path)
    }

    /// Removes it, as no guest was started.
    pub fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.path)
            .with_context(|| format!("cannot remove {}", self.path.display()))
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn remove_old(mine: &Path) -> Result<()> {
    let parent = mine.parent().context("a run's folder is in another")?;
    let mut paths = Vec::new();
    for entry in fs::read_dir(parent)? {
        paths.push(entry?.path());
    }
    // The names begin with the time.
    paths.sort();
    let old = paths.len().saturating_sub(KEEP + 1);
    for path in paths.iter().take(old).filter(|path| *path != mine) {
        // A folder whose run is just beginning has no lock file yet; it is among the newest.
        // One that another lab removes at this moment may be gone at any step.
        let gone_is_fine = |result: std::io::Result<()>| match result {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        let live = path.join(LIVE);
        let lock = if live.exists() {
            Lock::try_take(&live)
        } else {
            continue;
        };
        if let Ok(Some(_lock)) = lock {
            gone_is_fine(fs::remove_dir_all(path))
                .with_context(|| format!("cannot remove the old run {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_folders_go_and_live_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join(LIVE), "").unwrap();
            path
        };
        let (live, old) = (make("0"), make("1"));
        let _lock = Lock::try_take(&live.join(LIVE)).unwrap().unwrap();
        for i in 0..KEEP {
            make(&format!("2{i:02}"));
        }
        let mut new = Folder::inside(dir.path()).unwrap();
        assert!(!new.path.exists());
        new.make().unwrap();
        assert!(live.exists());
        assert!(!old.exists());
        assert!(new.path.exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), KEEP + 2);
    }
}
