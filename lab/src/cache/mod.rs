//! The lab's folder, `${XDG_CACHE_HOME:-$HOME/.cache}/rlkm`: where things lie in it, locks for what
//! takes long to make, and the mark that says that a thing is finished.

pub mod folder;
pub mod inputs;
mod record;
pub mod runs;

use crate::output::say;
use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::fcntl::{flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::io::AsRawFd;
use std::path::{Path, PathBuf};

/// Written last into a folder, with a record of what is in it; one without it was interrupted.
const READY: &str = ".ready";
/// The mark while it is written.
const NEW: &str = ".ready.new";

/// The lab's own folder; it need not exist yet.
pub fn dir() -> Result<PathBuf> {
    // The XDG specification: a relative path is to be ignored.
    let given = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let base = match (given, std::env::var_os("HOME")) {
        (Some(path), _) => path,
        (None, Some(home)) if !home.is_empty() => Path::new(&home).join(".cache"),
        _ => {
            bail!("neither XDG_CACHE_HOME nor HOME is set; set one, the lab keeps its trees there")
        }
    };
    Ok(base.join("rlkm"))
}

/// Makes a folder and all above it.
pub fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

/// The checkout: the nearest folder with a `.config.fragment`, above the working directory or
/// above this program.
pub fn checkout() -> Result<PathBuf> {
    let here = std::env::current_dir().context("cannot tell the working directory")?;
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    here.ancestors()
        .chain(program.ancestors())
        .find(|dir| dir.join(".config.fragment").is_file())
        .map(Path::to_owned)
        .with_context(|| {
            format!(
                "no .config.fragment in {} or above; run the lab inside a checkout",
                here.display()
            )
        })
}

/// Where cargo puts what it builds.
pub fn target(checkout: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => checkout.join("target"),
    }
}

/// Where make has put the modules that it built, and those of tests and bench: that which a make
/// that calls the lab has built, or the last.
pub fn modules(checkout: &Path) -> PathBuf {
    match given_modules() {
        Some(dir) => dir,
        None => checkout.join("target/kbuild/last"),
    }
}

/// The folder of modules for just this run: other makes may build others in the same checkout.
pub fn given_modules() -> Option<PathBuf> {
    std::env::var_os("RLKM_BUILD")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
}

/// A lock on one thing that is made once; it ends with this value, or with the process.
pub struct Lock(File);

impl Lock {
    /// Takes the lock called `name`; when another process has it, says so and waits.
    pub fn take(name: &str, what: &str) -> Result<Lock> {
        let folder = dir()?.join("lock");
        make_dir(&folder)?;
        let path = folder.join(name);
        let mut file = open_lock(&path)?;
        if !try_flock(&file, &path)? {
            let mut holder = String::new();
            file.read_to_string(&mut holder)?;
            say!("waiting for process {} to finish {what}", holder.trim());
            flock(file.as_raw_fd(), FlockArg::LockExclusive)
                .with_context(|| format!("cannot lock {}", path.display()))?;
        }
        file.set_len(0)?;
        write!(file, "{:<10}", std::process::id())?;
        Ok(Lock(file))
    }

    /// Locks the file at `path`, which others hold for moments only.
    pub fn wait(path: &Path) -> Result<Lock> {
        let file = open_lock(path)?;
        flock(file.as_raw_fd(), FlockArg::LockExclusive)
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Lock(file))
    }

    /// Locks the file at `path`, or says that another process has it.
    pub fn try_take(path: &Path) -> Result<Option<Lock>> {
        let file = open_lock(path)?;
        Ok(try_flock(&file, path)?.then_some(Lock(file)))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that is just being started may still have it open. Closed, it ends in any case.
        let _ = flock(self.0.as_raw_fd(), FlockArg::Unlock);
    }
}

fn open_lock(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .with_context(|| format!("cannot open the lock {}", path.display()))
}

fn try_flock(file: &File, path: &Path) -> Result<bool> {
    match flock(file.as_raw_fd(), FlockArg::LockExclusiveNonblock) {
        Ok(()) => Ok(true),
        Err(Errno::EWOULDBLOCK) => Ok(false),
        Err(e) => Err(e).with_context(|| format!("cannot lock {}", path.display())),
    }
}

/// What there is to say of a folder that is made once.
#[derive(Debug, PartialEq, Eq)]
pub enum State {
    /// It is not there, or was not finished.
    Unfinished,
    /// It holds what it held when it was finished.
    Whole,
    /// It was finished by a lab that kept no record.
    Unrecorded,
    /// This of what it held is gone, or was cut off.
    Lost(PathBuf),
}

impl State {
    /// Whether there is nothing to be done about it.
    pub fn is_fine(&self) -> bool {
        matches!(self, State::Whole | State::Unrecorded)
    }
}

/// Whether the folder was finished.
pub fn is_ready(dir: &Path) -> bool {
    dir.join(READY).is_file()
}

/// Whether the folder was finished, and what has become of it since; each file's size counts if the
/// look is to be `thorough`, otherwise that none is gone.
pub fn state(dir: &Path, thorough: bool) -> Result<State> {
    let mark = dir.join(READY);
    let record = match fs::read(&mark) {
        Ok(record) => record,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(State::Unfinished),
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", mark.display())),
    };
    if record.is_empty() {
        return Ok(State::Unrecorded);
    }
    match record::lost(dir, &record, thorough) {
        Ok(None) => Ok(State::Whole),
        Ok(Some(path)) => Ok(State::Lost(path)),
        Err(e) if e.kind() == ErrorKind::InvalidData => Ok(State::Lost(mark)),
        Err(e) => Err(e).with_context(|| format!("cannot look through {}", dir.display())),
    }
}

/// Marks the folder as finished, once all that it holds has reached the disk.
pub fn mark_ready(dir: &Path) -> Result<()> {
    let mark = || -> Result<()> {
        let folder = File::open(dir)?;
        nix::unistd::syncfs(folder.as_raw_fd())?;
        let mut mark = File::create(dir.join(NEW))?;
        mark.write_all(&record::make(dir, &[READY, NEW])?)?;
        mark.sync_all()?;
        fs::rename(dir.join(NEW), dir.join(READY))?;
        folder.sync_all()?;
        Ok(())
    };
    mark().with_context(|| format!("cannot mark {} as finished", dir.display()))
}

/// Keeps a record of a finished folder that has none, unless nothing can be written there.
pub fn record(dir: &Path) -> Result<()> {
    let is_read_only = |e: &std::io::Error| {
        let error = e.raw_os_error().map(Errno::from_i32);
        matches!(error, Some(Errno::EROFS | Errno::EACCES))
    };
    match mark_ready(dir) {
        Err(e) if e.downcast_ref().map_or(false, is_read_only) => Ok(()),
        result => result,
    }
}

/// Removes what is left of the folder and makes it anew.
pub fn start_over(dir: &Path) -> Result<()> {
    let remove = || -> std::io::Result<()> {
        // First, so that nobody takes for finished what an end at this moment leaves.
        match fs::remove_file(dir.join(READY)) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        Ok(())
    };
    remove().with_context(|| format!("cannot remove what is left of {}", dir.display()))?;
    make_dir(dir)
}

/// The program called `name` (a path, or to be found on PATH).
pub fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Lock::try_take(&path).unwrap();
        assert!(held.is_some());
        assert!(Lock::try_take(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::try_take(&path).unwrap().is_some());
    }

    #[test]
    fn an_interrupted_folder_is_not_ready_and_is_started_over() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        start_over(&tree).unwrap();
        fs::write(tree.join("half"), "").unwrap();
        assert!(!is_ready(&tree));
        start_over(&tree).unwrap();
        assert!(!tree.join("half").exists());
        fs::write(tree.join("file"), "whole").unwrap();
        mark_ready(&tree).unwrap();
        assert!(is_ready(&tree));
        assert_eq!(state(&tree, true).unwrap(), State::Whole);
    }

    #[test]
    fn a_finished_folder_that_has_lost_a_file_is_not_whole() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(state(dir.path(), false).unwrap(), State::Unfinished);
        let file = dir.path().join("file");
        fs::write(&file, "whole").unwrap();
        mark_ready(dir.path()).unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(state(dir.path(), false).unwrap(), State::Lost(file));
        let mark = dir.path().join(READY);
        fs::write(&mark, "nonsense").unwrap();
        assert_eq!(state(dir.path(), false).unwrap(), State::Lost(mark.clone()));
        // As labs before this one have written it.
        fs::write(&mark, "").unwrap();
        assert_eq!(state(dir.path(), false).unwrap(), State::Unrecorded);
    }
}
