//! One run of a guest: boots it, lets the lab's streams be the command's, and tells how it ended.

use crate::folder::Folder;
use crate::initramfs::{self, Contents};
use crate::options::{Accel, Kernel, Options};
use crate::ports::{self, Seen, PORTS};
use crate::qemu::{self, Console, Machine};
use crate::{busybox, cache, kvm};
use anyhow::{bail, Context, Result};
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::io::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The files of a run's folder.
const INITRAMFS: &str = "initramfs.cpio";
const CONSOLE_LOG: &str = "console.log";
const QEMU_LOG: &str = "qemu.log";

/// The most lines that are shown of each: what a debug kernel says when it goes down, and a little
/// more.
const SHOWN: usize = 120;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The command ended with this status.
    Exited(u8),
    /// The guest never said that it runs the command.
    NotBooted,
    /// The kernel panicked, or the guest stopped by itself, under the command.
    Died,
    /// The time limit was reached.
    TimedOut,
    /// Nobody reads the command's output any more.
    Unread,
}

/// The lab's exit status for it.
pub const NOT_BOOTED: u8 = 121;

impl End {
    /// The lab's exit status.
    pub fn code(self) -> u8 {
        match self {
            End::Exited(status) => status,
            End::NotBooted => NOT_BOOTED,
            End::Died => 122,
            End::TimedOut => 124,
            // What a shell says of a command that SIGPIPE ended.
            End::Unread => 141,
        }
    }

    /// What there is to say about it, unless the command's own words are enough.
    fn complaint(self, limit: Option<Duration>) -> Option<String> {
        let limit = limit.map_or(0, |limit| limit.as_secs());
        match self {
            End::Exited(_) | End::Unread => None,
            End::NotBooted => Some("the guest did not boot: it never came to the command".into()),
            End::Died => {
                Some("the guest's kernel panicked, or the guest stopped, under the command".into())
            }
            End::TimedOut => Some(format!(
                "time-out: the run took longer than {limit} s (--timeout)"
            )),
        }
    }
}

impl Seen {
    fn end(&self) -> End {
        match *self {
            Seen { unread: true, .. } => End::Unread,
            Seen { started: false, .. } => End::NotBooted,
            // Also after the command's status: powering off is part of the run.
            Seen { panic: true, .. } => End::Died,
            Seen {
                timed_out: true, ..
            } => End::TimedOut,
            Seen {
                status: Some(status),
                ..
            } => End::Exited(status),
            Seen { status: None, .. } => End::Died,
        }
    }
}

/// Runs the command in a new guest, with the lab's own streams, and reports failures on stderr.
pub fn run(options: &Options, env: &[(String, OsString)], command: &[OsString]) -> Result<u8> {
    let kernel = options.kernel()?;
    let limit = options.timeout(Some(&kernel));
    let end = ports::random_text()?;
    let contents = contents(options, &kernel, env, command, Some(end.clone()))?;
    let folder = Folder::new()?;

    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for name in PORTS {
        let (our, their) = UnixStream::pair().context("cannot make a pair of sockets")?;
        ours.push(our);
        theirs.push((name, their));
    }
    let fds: Vec<_> = theirs
        .iter()
        .map(|(name, socket)| (*name, socket.as_raw_fd()))
        .collect();
    let machine = machine(options, &kernel, &folder, Console::Ports(&fds))?;
    let line = machine.command_line();
    if options.dry_run {
        return print_line(&line);
    }

    let start = Instant::now();
    let mut child = start_qemu(&line, &folder, &contents, Signal::SIGKILL, |command| {
        command.stdin(Stdio::null());
        qemu::inherit(command, fds.iter().map(|(_, fd)| *fd).collect());
    })?;
    drop(theirs);
    if options.verbose {
        let accel = if machine.kvm { "KVM" } else { "TCG" };
        eprintln!(
            "lab: {} guest under {accel}, {}",
            options.arch(),
            folder.path.display()
        );
    }
    let mut seen = ports::attend(&mut child, ours, &end, limit)?;
    seen.panic = has_panic(&folder)?;
    if options.verbose {
        eprintln!(
            "lab: the guest ended after {:.2} s",
            start.elapsed().as_secs_f64()
        );
    }
    let end = seen.end();
    if let Some(complaint) = end.complaint(limit) {
        eprintln!("lab: {complaint}; its folder is {}", folder.path.display());
        for (what, name) in [("QEMU", QEMU_LOG), ("the console", CONSOLE_LOG)] {
            let path = folder.file(name);
            if path.is_file() && fs::metadata(&path)?.len() > 0 {
                eprintln!(
                    "lab: the last lines of {what}:\n{}",
                    crate::steps::tail(&path, SHOWN)?
                );
            }
        }
    } else {
        // The largest file, and the one that nobody needs after a good end.
        fs::remove_file(folder.file(INITRAMFS))?;
    }
    Ok(end.code())
}

/// Gives the terminal to a shell on a new guest's console.
pub fn shell(options: &Options, env: &[(String, OsString)]) -> Result<u8> {
    let kernel = options.kernel()?;
    let contents = contents(options, &kernel, env, &["sh".into(), "-l".into()], None)?;
    let folder = Folder::new()?;
    let machine = machine(options, &kernel, &folder, Console::Terminal)?;
    let line = machine.command_line();
    if options.dry_run {
        return print_line(&line);
    }
    eprintln!("lab: a shell in a guest; `exit` powers it off, Ctrl-A x ends it at once");
    // SIGTERM: QEMU then leaves the terminal as it found it.
    let mut child = start_qemu(&line, &folder, &contents, Signal::SIGTERM, |_| ())?;
    let deadline = options.timeout(None).map(|limit| Instant::now() + limit);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if deadline.map_or(false, |deadline| Instant::now() >= deadline) {
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(child.id() as i32),
                Signal::SIGTERM,
            )?;
            child.wait()?;
            eprintln!("lab: time-out of the shell (--timeout)");
            return Ok(End::TimedOut.code());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if has_panic(&folder)? || !status.success() {
        eprintln!(
            "lab: the guest did not end well ({status}); its folder is {}",
            folder.path.display()
        );
        return Ok(End::Died.code());
    }
    Ok(0)
}

fn machine<'a>(
    options: &'a Options,
    kernel: &'a Kernel,
    folder: &Folder,
    console: Console<'a>,
) -> Result<Machine<'a>> {
    Ok(Machine {
        arch: options.arch(),
        kvm: match options.accel {
            Accel::Kvm if options.icount => bail!("KVM cannot count instructions (--icount)"),
            Accel::Kvm => true,
            Accel::Tcg => false,
            Accel::Auto => !options.icount && kvm::runs_guests(options.arch())?,
        },
        icount: options.icount,
        cpus: options.cpus,
        memory: options.memory(kernel),
        kernel: &kernel.image,
        initramfs: folder.file(INITRAMFS),
        append: format!("{} {}", kernel.variant.arguments(), options.append),
        console_log: folder.file(CONSOLE_LOG),
        console,
        qmp: options.qmp.as_deref(),
    })
}

fn contents(
    options: &Options,
    kernel: &Kernel,
    env: &[(String, OsString)],
    command: &[OsString],
    end: Option<String>,
) -> Result<Contents> {
    let mut variables = options.env()?;
    variables.extend_from_slice(env);
    Ok(Contents {
        busybox: busybox::prepare(options.arch())?,
        modules: options.modules(kernel)?,
        programs: options.programs()?,
        command: initramfs::script(&variables, command)?,
        end,
        kmemleak: options.kmemleak,
    })
}

fn print_line(line: &[OsString]) -> Result<u8> {
    use std::os::unix::ffi::OsStrExt;
    let mut text = Vec::new();
    for word in line {
        text.extend(initramfs::quote(word.as_bytes())?);
        text.push(b' ');
    }
    text.pop();
    text.push(b'\n');
    io::stdout().write_all(&text)?;
    Ok(0)
}

/// Fills the folder and starts QEMU, which gets `signal` should the lab end first.
fn start_qemu(
    line: &[OsString],
    folder: &Folder,
    contents: &Contents,
    signal: Signal,
    prepare: impl FnOnce(&mut Command),
) -> Result<Child> {
    let (program, arguments) = line.split_first().context("an empty command line")?;
    if cache::find_program(&program.to_string_lossy()).is_none() {
        bail!(
            "no {} on PATH; on Debian 12, scripts/setup.sh installs it",
            program.to_string_lossy()
        );
    }
    folder.write(INITRAMFS, &initramfs::build(contents)?)?;
    folder.write("qemu.txt", format!("{line:?}\n").as_bytes())?;
    let log = fs::File::create(folder.file(QEMU_LOG))?;
    let mut command = Command::new(program);
    command.args(arguments);
    if contents.end.is_some() {
        command.stdout(log.try_clone()?).stderr(log);
    }
    prepare(&mut command);
    qemu::end_with_lab(&mut command, signal);
    command
        .spawn()
        .with_context(|| format!("cannot run {}", program.to_string_lossy()))
}

/// Whether the console shows a panic, an oops among them: the lab boots with oops=panic.
fn has_panic(folder: &Folder) -> Result<bool> {
    let path = folder.file(CONSOLE_LOG);
    match fs::read(&path) {
        Ok(console) => Ok(ports::find(&console, b"Kernel panic - not syncing").is_some()),
        // QEMU did not come as far as to make it.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_failures_and_a_status_are_told_apart() {
        let code = |seen: Seen| seen.end().code();
        let started = || Seen {
            started: true,
            ..Seen::default()
        };
        assert_eq!(
            code(Seen {
                status: Some(0),
                ..started()
            }),
            0
        );
        assert_eq!(
            code(Seen {
                status: Some(143),
                ..started()
            }),
            143
        );
        assert_eq!(code(Seen::default()), 121);
        assert_eq!(
            code(Seen {
                panic: true,
                ..Seen::default()
            }),
            121
        );
        assert_eq!(
            code(Seen {
                timed_out: true,
                ..Seen::default()
            }),
            121
        );
        assert_eq!(
            code(Seen {
                panic: true,
                ..started()
            }),
            122
        );
        assert_eq!(
            code(Seen {
                panic: true,
                status: Some(0),
                ..started()
            }),
            122
        );
        assert_eq!(code(started()), 122);
        assert_eq!(
            code(Seen {
                timed_out: true,
                ..started()
            }),
            124
        );
        assert_eq!(
            code(Seen {
                unread: true,
                ..started()
            }),
            141
        );
    }
}
