//! A run in a guest that does not boot: it goes on from a state in which another has been kept, and
//! is given then what is of this run.

use super::boot::{self, Guest};
use super::elf;
use super::initramfs::{parts, Contents, Parts};
use super::ports::{self, BOOT_LIMIT, PORTS_AND_FILES};
use super::qemu::{self, Console, Qmp};
use super::qmp::Monitor;
use super::state::{self, State};
use crate::cache::folder::Folder;
use crate::options::{Kernel, Options};
use crate::output::say;
use anyhow::{bail, Context, Result};
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::io::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

/// From how many states a guest is tried to go on, the first of which may be an old one.
const TRIES: usize = 2;

/// A guest that runs the command; none if it has to boot.
///
/// That is so where a run counts instructions, is watched by QEMU's monitor, or is fast: under KVM,
/// whose states are of one host. Whatever else is in the way of a state is one line on stderr.
pub(super) fn restored(
    options: &Options,
    kernel: &Kernel,
    contents: &Contents,
    limit: Option<Duration>,
    run: &mut Folder,
) -> Result<Option<Guest>> {
    let arch = options.arch();
    let names = PORTS_AND_FILES.map(|name| (name, 0));
    let machine = boot::machine(
        options,
        kernel,
        Path::new("/"),
        Console::Ports(&names, None),
    )?;
    if machine.kvm || machine.icount || machine.qmp.is_some() {
        return Ok(None);
    }
    let parts = parts(contents, &elf::program(arch.elf_machine, arch.reseed))?;
    let patience = limit.map_or(BOOT_LIMIT, |limit| limit.min(BOOT_LIMIT));
    let name = state::name(&machine, &parts.first)?;
    run.make()?;
    for _ in 0..TRIES {
        let state = state::find(&name).and_then(|state| match state {
            Some(state) => Ok(state),
            None => state::make(&name, |folder| {
                boot(options, kernel, &parts.first, folder, patience)
            }),
        });
        let state = match state {
            Ok(state) => state,
            Err(e) => {
                say!("no state of a booted guest is kept, so this one boots: {e:#}");
                return Ok(None);
            }
        };
        match go_on(options, kernel, &parts, state, run, patience) {
            Ok(guest) => return Ok(Some(guest)),
            Err(e) => say!("a guest does not go on from its kept state: {e:#}"),
        }
        if let Err(e) = state::forget(&name) {
            say!("{e:#}");
            return Ok(None);
        }
    }
    Ok(None)
}

/// Has a guest boot until it waits, and keeps it in the folder.
fn boot(
    options: &Options,
    kernel: &Kernel,
    initramfs: &[u8],
    folder: &Path,
    patience: Duration,
) -> Result<()> {
    let (sockets, theirs) = ports::pairs(&PORTS_AND_FILES)?;
    let fds = boot::fds(&theirs);
    let (monitor, qmp) = UnixStream::pair().context("cannot make a pair of sockets")?;
    let mut machine = boot::machine(options, kernel, folder, Console::Ports(&fds, None))?;
    machine.qmp = Some(Qmp::Fd(qmp.as_raw_fd()));
    let inherited = fds.iter().map(|(_, fd)| *fd).chain([qmp.as_raw_fd()]);
    let inherited = inherited.collect();
    let path = folder.join(state::QEMUS);
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let line = machine.command_line();
    let mut child = boot::start_qemu(&line, folder, initramfs, Signal::SIGKILL, |command, log| {
        command.stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        qemu::inherit(command, inherited);
        Ok(())
    })?;
    drop((theirs, qmp));
    let kept = says(&sockets[4], "booted", patience)
        .and_then(|()| Monitor::new(monitor)?.save(&file))
        .context("cannot keep a booted guest");
    child.kill().context("cannot end QEMU")?;
    child.wait().context("cannot wait for QEMU")?;
    kept.with_context(|| words(&folder.join(boot::QEMU_LOG)))?;
    for name in [boot::INITRAMFS, boot::QEMU_LOG, boot::QEMU_LINE] {
        let path = folder.join(name);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// Has a guest go on from there, and gives it what it needs for the command.
fn go_on(
    options: &Options,
    kernel: &Kernel,
    parts: &Parts,
    state: State,
    folder: &Folder,
    patience: Duration,
) -> Result<Guest> {
    let (mut ports, theirs) = ports::pairs(&PORTS_AND_FILES)?;
    let (fds, console) = (boot::fds(&theirs), boot::listen(folder)?);
    let console = Console::Ports(&fds, Some(console.as_raw_fd()));
    let mut machine = boot::machine(options, kernel, &folder.path, console)?;
    machine.state = Some(state.qemus.as_raw_fd());
    let mut child = boot::start_with_ports(&machine, folder, &parts.first, &state.console)?;
    drop(theirs);
    let files = ports.remove(3);
    if let Err(e) = give(&files, &ports[3], &parts.rest, patience) {
        child.kill().context("cannot end QEMU")?;
        child.wait().context("cannot wait for QEMU")?;
        return Err(e.context(words(&folder.file(boot::QEMU_LOG))));
    }
    Ok(Guest {
        child,
        ports,
        started: true,
        _files: Some(files),
    })
}

/// Gives a guest numbers that no other guest of its state has, the time, and its files.
fn give(
    mut files: &UnixStream,
    status: &UnixStream,
    rest: &[u8],
    patience: Duration,
) -> Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let line = format!("{} {}\n", ports::random_text()?, now.as_secs());
    files.set_write_timeout(Some(patience))?;
    files
        .write_all(line.as_bytes())
        .and_then(|()| files.write_all(rest))
        .context("the guest does not take its files")?;
    says(status, "run", patience)
}

fn says(status: &UnixStream, expected: &str, patience: Duration) -> Result<()> {
    match ports::line(status, patience)? {
        line if line == expected => Ok(()),
        line => bail!("the guest says {line:?} instead of {expected:?}"),
    }
}

/// QEMU's last words.
fn words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let last = text.lines().last();
    last.unwrap_or("QEMU says nothing").to_owned()
}
