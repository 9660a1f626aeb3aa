//! Guests that have booted, kept as they were then, so that others go on from there.
//!
//! A state is a folder in the cache, whose name has a key of all that it depends on. It is made in
//! another, which is renamed when it is whole; it counts only as long as its sums are right.

use super::qemu::Machine;
use crate::cache::inputs::Inputs;
use crate::cache::{self, Lock};
use anyhow::{bail, Context, Result};
use crc32fast::Hasher;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files of a state: QEMU's own, what the guest had said, the sums of both, and one that is
/// written whenever it is used.
pub const QEMUS: &str = "qemu";
pub const CONSOLE: &str = "console.log";
const SUMS: &str = "sums";
const USED: &str = "used";
/// How the folder's name ends while it is made.
const NEW: &str = ".new";

/// How many are kept: those that were used last. All suites on all kernels need five.
const KEEP: usize = 8;

/// A state to go on from. It stays whole whatever becomes of its folder.
pub struct State {
    pub qemus: File,
    pub console: Vec<u8>,
}

/// The name of the state of such a machine, which has this initramfs.
pub fn name(machine: &Machine, initramfs: &[u8]) -> Result<String> {
    let output = Command::new(machine.arch.qemu)
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run {}", machine.arch.qemu))?;
    let mut inputs = Inputs::default();
    inputs.text("QEMU", &String::from_utf8_lossy(&output.stdout));
    inputs.text("command line", &format!("{:?}", machine.command_line()));
    inputs.file("kernel", machine.kernel)?;
    inputs.bytes("initramfs", initramfs);
    let (arch, cpus) = (machine.arch, machine.cpus);
    Ok(format!("{arch}-{cpus}-{}", inputs.key()))
}

fn all() -> Result<PathBuf> {
    Ok(cache::dir()?.join("state"))
}

/// The lock for states that differ in their keys only: there are few, however many keys come.
fn lock_of(name: &str) -> String {
    let kind = name.rsplit_once('-').map_or(name, |(kind, _)| kind);
    format!("state-{kind}")
}

fn lock(name: &str) -> Result<Lock> {
    Lock::take(&lock_of(name), "the state of a booted guest")
}

/// The state of that name, if there is one and it is whole.
pub fn find(name: &str) -> Result<Option<State>> {
    find_in(&all()?.join(name))
}

fn find_in(folder: &Path) -> Result<Option<State>> {
    let open = || -> std::io::Result<Option<State>> {
        let sums = fs::read_to_string(folder.join(SUMS))?;
        let console = fs::read(folder.join(CONSOLE))?;
        let mut qemus = File::open(folder.join(QEMUS))?;
        let is_whole = sums == text_of(&mut qemus, &console)?;
        qemus.seek(SeekFrom::Start(0))?;
        Ok(is_whole.then_some(State { qemus, console }))
    };
    match open() {
        Ok(Some(state)) => {
            // Only for the order in which they go. It may be gone already, or not be ours.
            let _ = fs::write(folder.join(USED), "");
            Ok(Some(state))
        }
        Ok(None) => Ok(None),
        Err(e) if [ErrorKind::NotFound, ErrorKind::InvalidData].contains(&e.kind()) => Ok(None),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", folder.display())),
    }
}

/// Has `work` make it in a folder, unless another lab does so meanwhile.
pub fn make(name: &str, work: impl FnOnce(&Path) -> Result<()>) -> Result<State> {
    let all = all()?;
    let folder = all.join(name);
    let _lock = lock(name)?;
    if let Some(state) = find_in(&folder)? {
        return Ok(state);
    }
    let new = all.join(format!("{name}{NEW}"));
    cache::start_over(&new)?;
    let made = work(&new).and_then(|()| finish(&new, &folder));
    if let Err(e) = made {
        // What is left of it, if anything, the next one removes.
        let _ = fs::remove_dir_all(&new);
        return Err(e);
    }
    prune(&all, name)?;
    match find_in(&folder)? {
        Some(state) => Ok(state),
        None => bail!("{} is not as it was written", folder.display()),
    }
}

fn finish(new: &Path, folder: &Path) -> Result<()> {
    let finish = || -> std::io::Result<()> {
        let console = fs::read(new.join(CONSOLE))?;
        let mut qemus = File::open(new.join(QEMUS))?;
        fs::write(new.join(SUMS), text_of(&mut qemus, &console)?)?;
        remove(folder)?;
        fs::rename(new, folder)
    };
    finish().with_context(|| format!("cannot write {}", folder.display()))
}

/// Removes it: it does not load, or its guest does not go on.
pub fn forget(name: &str) -> Result<()> {
    let folder = all()?.join(name);
    let _lock = lock(name)?;
    remove(&folder).with_context(|| format!("cannot remove {}", folder.display()))
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Removes those that were not used for longest, and what labs that were killed have left, but
/// nothing of `mine`.
fn prune(all: &Path, mine: &str) -> Result<()> {
    let mut used = Vec::new();
    for entry in fs::read_dir(all).with_context(|| format!("cannot read {}", all.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match name.strip_suffix(NEW) {
            Some(name) => {
                let lock = cache::dir()?.join("lock").join(lock_of(name));
                // Ours is taken by this lab.
                if lock_of(name) == lock_of(mine) || Lock::try_take(&lock)?.is_some() {
                    remove(&path)?;
                }
            }
            None if name == mine => {}
            None => {
                let time = fs::metadata(path.join(USED)).and_then(|used| used.modified());
                used.push((time.ok(), path));
            }
        }
    }
    used.sort();
    let many = used.len().saturating_sub(KEEP - 1);
    for (_, path) in used.into_iter().take(many) {
        // A lab that goes on from it has its file open.
        remove(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// The sizes and sums of a state's files, as a text.
fn text_of(qemus: &mut File, console: &[u8]) -> std::io::Result<String> {
    let mut sum = Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        match qemus.read(&mut buffer)? {
            0 => break,
            n => {
                sum.update(&buffer[..n]);
                size += n;
            }
        }
    }
    let console_sum = crc32fast::hash(console);
    Ok(format!(
        "{size} {:08x}\n{} {console_sum:08x}\n",
        sum.finalize(),
        console.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(all: &Path, name: &str) -> PathBuf {
        let (new, folder) = (all.join(format!("{name}{NEW}")), all.join(name));
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join(QEMUS), vec![7; 3 << 20]).unwrap();
        fs::write(new.join(CONSOLE), "Booting Linux\n").unwrap();
        finish(&new, &folder).unwrap();
        assert!(!new.exists());
        folder
    }

    #[test]
    fn a_state_is_read_from_its_beginning_and_outlives_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = state(dir.path(), "a");
        let mut state = find_in(&folder).unwrap().unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let mut contents = Vec::new();
        state.qemus.read_to_end(&mut contents).unwrap();
        assert_eq!(contents, vec![7; 3 << 20]);
        assert_eq!(state.console, b"Booting Linux\n");
        assert!(find_in(&folder).unwrap().is_none());
    }

    #[test]
    fn whatever_was_changed_or_lost_makes_it_none() {
        use std::os::unix::fs::FileExt;
        let cut = |path: &Path, size: u64| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(size).unwrap();
        };
        let write = |path: &Path, at: u64| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(b"x", at).unwrap();
        };
        let damages: [&dyn Fn(&Path); 9] = [
            &|folder| cut(&folder.join(QEMUS), (3 << 20) - 1),
            &|folder| cut(&folder.join(QEMUS), 0),
            &|folder| cut(&folder.join(QEMUS), 4 << 20),
            &|folder| write(&folder.join(QEMUS), 0),
            &|folder| write(&folder.join(QEMUS), 2 << 20),
            &|folder| write(&folder.join(CONSOLE), 3),
            &|folder| fs::remove_file(folder.join(SUMS)).unwrap(),
            &|folder| fs::remove_file(folder.join(CONSOLE)).unwrap(),
            &|folder| fs::write(folder.join(SUMS), b"\xff").unwrap(),
        ];
        for (number, damage) in damages.into_iter().enumerate() {
            let dir = tempfile::tempdir().unwrap();
            let folder = state(dir.path(), "a");
            assert!(find_in(&folder).unwrap().is_some());
            damage(&folder);
            assert!(find_in(&folder).unwrap().is_none(), "{number}");
            // It is made anew over what is left.
            state(dir.path(), "a");
            assert!(find_in(&folder).unwrap().is_some());
        }
    }

    #[test]
    fn those_that_were_used_last_stay() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..KEEP + 2).map(|i| format!("{i:02}")).collect();
        for name in &names {
            assert!(find_in(&state(dir.path(), name)).unwrap().is_some());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(find_in(&dir.path().join("00")).unwrap().is_some());
        // One that was never used goes first.
        state(dir.path(), "never");
        prune(dir.path(), &names[KEEP + 1]).unwrap();
        let left: Vec<&String> = names
            .iter()
            .filter(|name| dir.path().join(name).exists())
            .collect();
        let mut expected: Vec<&String> = names[3..].iter().collect();
        expected.insert(0, &names[0]);
        assert_eq!(left, expected);
        assert!(!dir.path().join("never").exists());
    }
}
