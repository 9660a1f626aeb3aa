//! A guest that a debugger looks into: it waits for the debugger, and ends with it.

use super::boot::{
    check, contents, end_qemu, fds, has_panic, machine, need_qemu, print_line, start_with_ports,
    tell, POLL,
};
use super::ports::{self, PORTS};
use super::qemu::{self, Console};
use super::{end::End, initramfs};
use crate::cache::folder::Folder;
use crate::options::Options;
use crate::verbs::run;
use anyhow::{bail, Context, Result};
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// A socket of the run's folder.
const SOCKET: &str = "gdb.sock";

/// How long a debugger may take to see that its guest is gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// The debugger to start.
pub struct Debugger<'a> {
    /// Its command line, for a guest that waits at this socket; the folder is the run's.
    pub command: &'a dyn Fn(&Folder, &Path) -> Result<Command>,
    /// After this time both are ended.
    pub limit: Option<Duration>,
    /// What it gets should the lab end first.
    pub signal: Signal,
}

/// Starts a guest that waits, and the debugger, which has the lab's own streams. The guest's command
/// writes to them as well. Gives the debugger's status.
pub fn debug(options: &Options, command: &run::Command, debugger: &Debugger) -> Result<u8> {
    let kernel = options.kernel()?;
    let end = ports::random_text()?;
    let mut contents = contents(options, &kernel, &[], &command.words)?;
    contents.end = Some(end.clone());
    contents.no_stdin = command.no_stdin;
    check(options, &kernel)?;
    let mut folder = Folder::planned(options.run_id.as_deref(), &command.words)?;
    if !options.dry_run {
        need_qemu(options)?;
        folder.make()?;
    }
    let socket = folder.file(SOCKET);
    if socket.as_os_str().len() > qemu::LONGEST_SOCKET {
        bail!(
            "{}: the path of a socket has at most {} bytes; have XDG_CACHE_HOME name a shorter one",
            socket.display(),
            qemu::LONGEST_SOCKET
        );
    }
    let (ours, theirs) = ports::pairs(&PORTS)?;
    let fds = fds(&theirs);
    let mut machine = machine(options, &kernel, &folder.path, Console::Ports(&fds, None))?;
    machine.gdb = Some(socket.clone());
    if options.dry_run {
        return print_line(&machine.command_line());
    }
    let archive = initramfs::build(&contents)?;
    let mut child = match start_with_ports(&machine, &folder, &archive, &[]) {
        Ok(child) => child,
        Err(e) => return folder.remove().and(Err(e)),
    };
    // Of which the end of QEMU is to be the end.
    drop(theirs);
    let started = (debugger.command)(&folder, &socket).and_then(|mut command| {
        qemu::end_with_lab(&mut command, debugger.signal);
        let program = command.get_program().to_owned();
        let name = program.to_string_lossy();
        command
            .spawn()
            .with_context(|| format!("cannot run {name}"))
    });
    let mut gdb = match started {
        Ok(gdb) => gdb,
        Err(e) => {
            end_qemu(&mut child)?;
            return folder.remove().and(Err(e));
        }
    };
    let seen = ports::attend(
        &mut child,
        ours,
        &end,
        debugger.limit,
        !command.no_stdin,
        // There is no limit for the boot of a guest that is stopped again and again.
        true,
        Some(&gdb),
    )?;
    if seen.timed_out {
        // A script ends at once, now that there is no guest; a signal would come into the middle of that.
        let patience = Instant::now() + PATIENCE;
        while gdb.try_wait()?.is_none() && Instant::now() < patience {
            thread::sleep(POLL);
        }
        if gdb.try_wait()?.is_none() {
            end_qemu(&mut gdb)?;
        }
        let (end, limit) = (End::TimedOut, debugger.limit);
        tell(end, limit, &folder, options, &kernel, contents.modules)?;
        return Ok(End::TimedOut.code());
    }
    // The guest may have ended before.
    let status = gdb.wait().context("cannot wait for the debugger")?;
    let end = match has_panic(&folder)? {
        true => End::Died,
        false => End::Exited(0),
    };
    tell(end, None, &folder, options, &kernel, contents.modules)?;
    match status.code() {
        Some(code) => Ok(code as u8),
        None => bail!("the debugger did not end well: {status}"),
    }
}
