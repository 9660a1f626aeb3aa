//! One run of a guest: boots it, lets the lab's streams be the command's, and tells how it ended.

use crate::cache;
use crate::cache::folder::Folder;
use crate::decode::Decoder;
use crate::guest::end::End;
use crate::guest::initramfs::{self, Contents};
use crate::guest::ports::{self, PORTS};
use crate::guest::qemu::{self, Console, Machine, Qmp};
use crate::guest::restore;
use crate::guest::{busybox, kvm, packages};
use crate::options::{Accel, Kernel, Options};
use crate::output;
use crate::output::say;
use crate::steps;
use crate::verbs::run;
use anyhow::{bail, Context, Result};
use cli::{Waiter, Wake};
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::io::{AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The files of a run's folder.
pub(super) const INITRAMFS: &str = "initramfs.cpio";
pub const CONSOLE_LOG: &str = "console.log";
pub(super) const QEMU_LOG: &str = "qemu.log";
pub(super) const QEMU_LINE: &str = "qemu.txt";
pub const CONSOLE_SOCKET: &str = "console.sock";

/// The most lines that are shown of each: what a debug kernel says when it goes down, and a little
/// more.
const SHOWN: usize = 120;

/// How often it is looked whether QEMU has ended.
pub(super) const POLL: Duration = Duration::from_millis(50);
/// How long QEMU may take to end when it is told to.
const PATIENCE: Duration = Duration::from_secs(5);

/// A guest that is there, or will be soon, and whose ports are ours.
pub(super) struct Guest {
    pub child: Child,
    /// Those of [`PORTS`].
    pub ports: Vec<UnixStream>,
    /// Whether it has said that it runs the command.
    pub started: bool,
    /// The port by which it got its files, if it did: closed, it would be one more event for it.
    pub _files: Option<UnixStream>,
}

/// Runs the command in a new guest, with the lab's own streams, and reports failures on stderr.
/// If it may, the guest does not boot, but goes on from where another of its kind had come to.
pub fn run(
    options: &Options,
    env: &[(String, OsString)],
    command: &run::Command,
    may_go_on: bool,
) -> Result<u8> {
    let kernel = options.kernel()?;
    let limit = options.timeout(Some(&kernel));
    let end = ports::random_text()?;
    let mut contents = contents(options, &kernel, env, &command.words)?;
    contents.end = Some(end.clone());
    contents.no_stdin = command.no_stdin;
    check(options, &kernel)?;
    let mut folder = Folder::planned(options.run_id.as_deref(), &command.words)?;
    if options.dry_run {
        let (_ours, theirs) = ports::pairs(&PORTS)?;
        let fds = fds(&theirs);
        let console = Console::Ports(&fds, None);
        return print_line(&machine(options, &kernel, &folder.path, console)?.command_line());
    }
    need_qemu(options)?;
    let start = Instant::now();
    let started = match may_go_on {
        true => restore::restored(options, &kernel, &contents, limit, &mut folder),
        false => Ok(None),
    };
    let started = match started {
        Ok(None) => booting(options, &kernel, &contents, &mut folder),
        Ok(Some(guest)) => Ok(guest),
        Err(e) => Err(e),
    };
    let mut guest = match started {
        Ok(guest) => guest,
        Err(e) => return folder.remove().and(Err(e)),
    };
    if options.verbose {
        let how = match guest.started {
            true => "a booted guest goes on",
            false => "a guest boots",
        };
        say!("{how}: {}, {}", options.arch(), folder.path.display());
    }
    let mut seen = ports::attend(
        &mut guest.child,
        guest.ports,
        &end,
        limit,
        !command.no_stdin,
        guest.started,
        None,
    )?;
    seen.panic = has_panic(&folder)?;
    if options.verbose {
        say!(
            "the guest ended after {:.2} s",
            start.elapsed().as_secs_f64()
        );
    }
    let end = seen.end();
    tell(end, limit, &folder, options, &kernel, contents.modules)?;
    Ok(end.code())
}

/// Says what there is to say of how a run ended, of this kernel with these modules.
pub(super) fn tell(
    end: End,
    limit: Option<Duration>,
    folder: &Folder,
    options: &Options,
    kernel: &Kernel,
    modules: Vec<PathBuf>,
) -> Result<()> {
    let complaint = match end.complaint(limit) {
        Some(complaint) => complaint,
        None => {
            // The largest file, and the one that nobody needs after a good end.
            fs::remove_file(folder.file(INITRAMFS))?;
            return Ok(());
        }
    };
    say!("{complaint}; its folder is {}", folder.path.display());
    let mut decoder = Decoder::of_guest(options.arch(), &kernel.image, modules)?;
    for (what, name) in [("QEMU", QEMU_LOG), ("the console", CONSOLE_LOG)] {
        let path = folder.file(name);
        if path.is_file() && fs::metadata(&path)?.len() > 0 {
            let tail = decoder.decode(steps::tail(&path, SHOWN)?.as_bytes());
            let tail = String::from_utf8_lossy(&tail);
            say!("the last lines of {what}:\n{}", steps::indented(&tail));
        }
    }
    for remark in decoder.remarks() {
        say!("{remark}");
    }
    Ok(())
}

fn booting(
    options: &Options,
    kernel: &Kernel,
    contents: &Contents,
    folder: &mut Folder,
) -> Result<Guest> {
    let archive = initramfs::build(contents)?;
    folder.make()?;
    let (ports, theirs) = ports::pairs(&PORTS)?;
    let (fds, console) = (fds(&theirs), listen(folder)?);
    let console = Console::Ports(&fds, Some(console.as_raw_fd()));
    let machine = machine(options, kernel, &folder.path, console)?;
    let child = start_with_ports(&machine, folder, &archive, &[])?;
    Ok(Guest {
        child,
        ports,
        started: false,
        _files: None,
    })
}

/// Has the console's socket be there for `lab console`, whatever the length of its path.
pub(super) fn listen(folder: &Folder) -> Result<UnixListener> {
    let path = folder.file(CONSOLE_SOCKET);
    // That of a guest that did not go on.
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
        _ => {}
    }
    qemu::in_folder(&folder.path, CONSOLE_SOCKET, |path| {
        UnixListener::bind(path)
    })
    .with_context(|| format!("cannot listen at {}", path.display()))
}

/// Starts QEMU with the guest's ports, and nothing else of the lab's. `console` is what the guest had
/// said already.
pub(super) fn start_with_ports(
    machine: &Machine,
    folder: &Folder,
    archive: &[u8],
    console: &[u8],
) -> Result<Child> {
    write(&folder.file(CONSOLE_LOG), console)?;
    let mut inherited: Vec<RawFd> = machine.state.into_iter().chain(folder.live()).collect();
    if let Console::Ports(ports, socket) = machine.console {
        inherited.extend(ports.iter().map(|(_, fd)| *fd).chain(socket));
    }
    let line = machine.command_line();
    start_qemu(
        &line,
        &folder.path,
        archive,
        Signal::SIGKILL,
        |command, log| {
            command.stdin(Stdio::null());
            command.stdout(log.try_clone()?).stderr(log);
            qemu::inherit(command, inherited);
            if machine.gdb.is_some() {
                qemu::keep_from_terminal(command);
            }
            Ok(())
        },
    )
}

/// The descriptors of ports.
pub(super) fn fds<'a>(ports: &[(&'a str, UnixStream)]) -> Vec<(&'a str, RawFd)> {
    let fds = ports
        .iter()
        .map(|(name, socket)| (*name, socket.as_raw_fd()));
    fds.collect()
}

/// Gives the terminal to a shell on a new guest's console.
///
/// QEMU has ended when this returns, also if that is for a signal or the end of the terminal.
pub fn shell(options: &Options, env: &[(String, OsString)], waiter: &Waiter) -> Result<u8> {
    let kernel = options.kernel()?;
    let command = ["sh".into(), "-l".into()];
    let contents = contents(options, &kernel, env, &command)?;
    let archive = archive(options, &contents)?;
    check(options, &kernel)?;
    let mut folder = Folder::planned(options.run_id.as_deref(), &command)?;
    if !options.dry_run {
        folder.make()?;
    }
    let machine = machine(options, &kernel, &folder.path, Console::Terminal)?;
    let line = machine.command_line();
    if options.dry_run {
        return print_line(&line);
    }
    say!("a shell in a guest; `exit` powers it off, Ctrl-A x ends it at once");
    // SIGTERM: QEMU then leaves the terminal as it found it.
    let started = start_qemu(
        &line,
        &folder.path,
        &archive,
        Signal::SIGTERM,
        |command, _| {
            qemu::inherit(command, folder.live().into_iter().collect());
            Ok(())
        },
    );
    let mut child = match started {
        Ok(child) => child,
        Err(e) => return folder.remove().and(Err(e)),
    };
    drop(archive);
    let deadline = ports::after(options.timeout(None));
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if deadline.map_or(false, |deadline| Instant::now() >= deadline) {
            end_qemu(&mut child)?;
            say!("time-out of the shell (--timeout)");
            return Ok(End::TimedOut.code());
        }
        if let Wake::Stop = waiter.sleep(Instant::now() + POLL)? {
            end_qemu(&mut child)?;
            return Ok(End::Unread.code());
        }
    };
    if has_panic(&folder)? || !status.success() {
        say!(
            "the guest did not end well ({status}); its folder is {}",
            folder.path.display()
        );
        return Ok(End::Died.code());
    }
    Ok(0)
}

/// Has QEMU end, which it does at once unless something holds it; or the debugger.
pub(super) fn end_qemu(child: &mut Child) -> Result<()> {
    let id = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(id, Signal::SIGTERM).context("cannot end QEMU")?;
    let patience = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() >= patience {
            child.kill().context("cannot end QEMU")?;
        }
        thread::sleep(POLL);
    }
    Ok(())
}

pub(super) fn machine<'a>(
    options: &'a Options,
    kernel: &'a Kernel,
    folder: &Path,
    console: Console<'a>,
) -> Result<Machine<'a>> {
    let machine = Machine {
        arch: options.arch(),
        kvm: match options.accel {
            Accel::Kvm if options.icount => bail!("KVM cannot count instructions (--icount)"),
            Accel::Kvm => true,
            Accel::Tcg => false,
            Accel::Auto => !options.icount && kvm::runs_guests(options.arch(), !options.dry_run)?,
        },
        icount: options.icount,
        cpus: options.cpus,
        memory: options.memory(kernel),
        kernel: &kernel.image,
        initramfs: folder.join(INITRAMFS),
        append: format!("{} {}", kernel.variant.arguments(), options.append),
        console_log: folder.join(CONSOLE_LOG),
        console,
        qmp: options.qmp.as_deref().map(Qmp::Path),
        gdb: None,
        state: None,
    };
    Ok(machine)
}

/// Refuses before the run what no machine could have.
pub(super) fn check(options: &Options, kernel: &Kernel) -> Result<()> {
    if let Some(path) = options
        .qmp
        .as_deref()
        .filter(|path| path.as_os_str().len() > qemu::LONGEST_SOCKET)
    {
        bail!(
            "--qmp {}: the path of a socket has at most {} bytes",
            path.display(),
            qemu::LONGEST_SOCKET
        );
    }
    let machine = machine(options, kernel, Path::new("/"), Console::Terminal)?;
    let length = machine.kernel_line().len();
    if length > qemu::LONGEST_LINE {
        bail!(
            "--append: the kernel's command line would have {length} bytes, and it takes {}",
            qemu::LONGEST_LINE
        );
    }
    Ok(())
}

pub(super) fn contents(
    options: &Options,
    kernel: &Kernel,
    env: &[(String, OsString)],
    command: &[OsString],
) -> Result<Contents> {
    let mut variables = options.env()?;
    variables.extend_from_slice(env);
    Ok(Contents {
        busybox: match options.dry_run {
            true => PathBuf::new(),
            false => busybox::prepare(options.arch())?,
        },
        drivers: kernel.drivers.clone(),
        modules: options.modules(kernel)?,
        built: options.built()?,
        programs: options.programs()?,
        packages: match options.dry_run {
            true => Vec::new(),
            false => packages::prepare(options.arch(), &options.packages)?,
        },
        command: initramfs::script(&variables, command)?,
        end: None,
        no_stdin: false,
        console: options.console,
        kmemleak: options.kmemleak,
    })
}

/// The initramfs; none for what is not run.
fn archive(options: &Options, contents: &Contents) -> Result<Vec<u8>> {
    if options.dry_run {
        return Ok(Vec::new());
    }
    need_qemu(options)?;
    initramfs::build(contents)
}

pub(super) fn need_qemu(options: &Options) -> Result<()> {
    let qemu = options.arch().qemu;
    match cache::find_program(qemu) {
        Some(_) => Ok(()),
        None => bail!("no {qemu} on PATH; on Debian 12, scripts/setup.sh installs it"),
    }
}

pub(super) fn print_line(line: &[OsString]) -> Result<u8> {
    use std::os::unix::ffi::OsStrExt;
    let mut text = Vec::new();
    for word in line {
        text.extend(initramfs::quote(word.as_bytes())?);
        text.push(b' ');
    }
    text.pop();
    text.push(b'\n');
    output::print(text)
}

/// Fills the folder and starts QEMU, which gets `signal` should the lab end first.
pub(super) fn start_qemu(
    line: &[OsString],
    folder: &Path,
    archive: &[u8],
    signal: Signal,
    prepare: impl FnOnce(&mut Command, fs::File) -> io::Result<()>,
) -> Result<Child> {
    let (program, arguments) = line.split_first().context("an empty command line")?;
    write(&folder.join(INITRAMFS), archive)?;
    write(&folder.join(QEMU_LINE), format!("{line:?}\n").as_bytes())?;
    let log = folder.join(QEMU_LOG);
    let log = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(program);
    command.args(arguments);
    prepare(&mut command, log)?;
    qemu::end_with_lab(&mut command, signal);
    command
        .spawn()
        .with_context(|| format!("cannot run {}", program.to_string_lossy()))
}

pub(super) fn write(path: &Path, contents: &[u8]) -> Result<()> {
    fs::write(path, contents).with_context(|| format!("cannot write {}", path.display()))
}

/// Whether the console shows a panic, an oops among them: the lab boots with oops=panic. It may be
/// of any length.
pub(super) fn has_panic(folder: &Folder) -> Result<bool> {
    const PANIC: &[u8] = b"Kernel panic - not syncing";
    let path = folder.file(CONSOLE_LOG);
    let search = |mut console: fs::File| -> io::Result<bool> {
        let mut part = Vec::new();
        while console.by_ref().take(1 << 20).read_to_end(&mut part)? > 0 {
            if ports::find(&part, PANIC).is_some() {
                return Ok(true);
            }
            // The words may be in two parts.
            part.drain(..part.len().saturating_sub(PANIC.len()));
        }
        Ok(false)
    };
    match fs::File::open(&path).and_then(search) {
        // QEMU did not come as far as to make it.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        result => result.with_context(|| format!("cannot read {}", path.display())),
    }
}
