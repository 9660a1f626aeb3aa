//! The lab's folder, `${XDG_CACHE_HOME:-$HOME/.cache}/rlkm`: where things lie in it, locks for what
//! takes long to make, and the mark that says that a thing is finished.

use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::fcntl::{flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::io::AsRawFd;
use std::path::{Path, PathBuf};

/// Written last into a folder; one without it was interrupted.
const READY: &str = ".ready";

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
            eprintln!(
                "lab: waiting for process {} to finish {what}",
                holder.trim()
            );
            flock(file.as_raw_fd(), FlockArg::LockExclusive)
                .with_context(|| format!("cannot lock {}", path.display()))?;
        }
        file.set_len(0)?;
        write!(file, "{:<10}", std::process::id())?;
        Ok(Lock(file))
    }

    /// Locks the file at `path`, or says that another process has it.
    pub fn try_take(path: &Path) -> Result<Option<Lock>> {
        let file = open_lock(path)?;
        Ok(try_flock(&file, path)?.then_some(Lock(file)))
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

/// Whether the folder was finished.
pub fn is_ready(dir: &Path) -> bool {
    dir.join(READY).is_file()
}

/// Marks the folder as finished, once all that it holds has reached the disk.
pub fn mark_ready(dir: &Path) -> Result<()> {
    let mark = || -> Result<()> {
        let folder = File::open(dir)?;
        nix::unistd::syncfs(folder.as_raw_fd())?;
        File::create(dir.join(READY))?.sync_all()?;
        folder.sync_all()?;
        Ok(())
    };
    mark().with_context(|| format!("cannot mark {} as finished", dir.display()))
}

/// Removes what an interrupted run left and makes the folder anew.
pub fn start_over(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)
            .with_context(|| format!("cannot remove the unfinished {}", dir.display()))?;
    }
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
        mark_ready(&tree).unwrap();
        assert!(is_ready(&tree));
    }
}
