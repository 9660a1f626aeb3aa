//! One run of a guest: boots it, carries the command's streams, and tells how it ended.
//!
//! Each of stdin, stdout, stderr and the status has a virtio serial port, whose other end is a
//! socket here. On the status port the guest says `run` before the command and `status N` after
//! it. An end marker follows the command's output on stdout and stderr; once the lab has read
//! both markers it answers on the status port, and only then does the guest power off. So
//! nothing is lost on the way, however much is still queued when the command ends.

use crate::folder::Folder;
use crate::initramfs::{self, Contents};
use crate::options::{Accel, Options};
use crate::qemu::{self, Console, Machine};
use crate::{busybox, cache, kvm};
use anyhow::{bail, Context, Result};
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::io::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// The ports in the order in which the guest learns of them; its init counts on status being last.
const PORTS: [&str; 4] = ["stdin", "stdout", "stderr", "status"];

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

impl End {
    /// The lab's exit status.
    pub fn code(self) -> u8 {
        match self {
            End::Exited(status) => status,
            End::NotBooted => 121,
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

/// What was seen of a run.
#[derive(Default)]
struct Seen {
    started: bool,
    status: Option<u8>,
    panic: bool,
    timed_out: bool,
    unread: bool,
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
    let image = options.image()?;
    let limit = options.timeout(300);
    let end = random_text()?;
    let contents = contents(options, env, command, Some(end.clone()))?;
    let folder = Folder::new()?;
    let initramfs = folder.file("initramfs.cpio");
    let console_log = folder.file("console.log");

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
    let machine = Machine {
        arch: options.arch(),
        kvm: use_kvm(options)?,
        cpus: options.cpus,
        memory: &options.memory,
        kernel: &image,
        initramfs: &initramfs,
        append: &options.append,
        console_log: &console_log,
        console: Console::Ports(&fds),
    };
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
    let mut seen = attend(&mut child, ours, &end, limit)?;
    let console = fs::read(&console_log).unwrap_or_default();
    seen.panic = has_panic(&console);
    if options.verbose {
        eprintln!(
            "lab: the guest ended after {:.2} s",
            start.elapsed().as_secs_f64()
        );
    }
    let end = seen.end();
    if let Some(complaint) = end.complaint(limit) {
        eprintln!("lab: {complaint}; its folder is {}", folder.path.display());
        for (what, name) in [("QEMU", "qemu.log"), ("the console", "console.log")] {
            let path = folder.file(name);
            if path.is_file() && fs::metadata(&path)?.len() > 0 {
                eprintln!(
                    "lab: the last lines of {what}:\n{}",
                    crate::steps::tail(&path, 30)?
                );
            }
        }
    } else {
        // The largest file, and the one that nobody needs after a good end.
        fs::remove_file(&initramfs)?;
    }
    Ok(end.code())
}

/// Gives the terminal to a shell on a new guest's console.
pub fn shell(options: &Options, env: &[(String, OsString)]) -> Result<u8> {
    let image = options.image()?;
    let contents = contents(options, env, &["sh".into(), "-l".into()], None)?;
    let folder = Folder::new()?;
    let machine = Machine {
        arch: options.arch(),
        kvm: use_kvm(options)?,
        cpus: options.cpus,
        memory: &options.memory,
        kernel: &image,
        initramfs: &folder.file("initramfs.cpio"),
        append: &options.append,
        console_log: &folder.file("console.log"),
        console: Console::Terminal,
    };
    let line = machine.command_line();
    if options.dry_run {
        return print_line(&line);
    }
    eprintln!("lab: a shell in a guest; `exit` powers it off, Ctrl-A x ends it at once");
    // SIGTERM: QEMU then leaves the terminal as it found it.
    let mut child = start_qemu(&line, &folder, &contents, Signal::SIGTERM, |_| ())?;
    let deadline = options.timeout(0).map(|limit| Instant::now() + limit);
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
    let console = fs::read(folder.file("console.log")).unwrap_or_default();
    if has_panic(&console) || !status.success() {
        eprintln!(
            "lab: the guest did not end well ({status}); its folder is {}",
            folder.path.display()
        );
        return Ok(End::Died.code());
    }
    Ok(0)
}

fn contents(
    options: &Options,
    env: &[(String, OsString)],
    command: &[OsString],
    end: Option<String>,
) -> Result<Contents> {
    let mut variables = options.env()?;
    variables.extend_from_slice(env);
    Ok(Contents {
        busybox: busybox::prepare(options.arch())?,
        modules: options.modules()?,
        programs: options.programs()?,
        command: initramfs::script(&variables, command)?,
        end,
    })
}

fn use_kvm(options: &Options) -> Result<bool> {
    match options.accel {
        Accel::Kvm => Ok(true),
        Accel::Tcg => Ok(false),
        Accel::Auto => kvm::runs_guests(options.arch()),
    }
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
    folder.write("initramfs.cpio", &initramfs::build(contents)?)?;
    folder.write("qemu.txt", format!("{line:?}\n").as_bytes())?;
    let log = fs::File::create(folder.file("qemu.log"))?;
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

/// What the threads that serve the ports tell.
enum Event {
    Started,
    Status(u8),
    /// An output stream came to its end marker.
    Complete,
    /// An output stream's reader is gone.
    Unread,
    /// A port's socket was closed: QEMU ended.
    Gone,
}

/// Serves the ports until QEMU ends.
fn attend(
    child: &mut Child,
    ports: Vec<UnixStream>,
    end: &str,
    limit: Option<Duration>,
) -> Result<Seen> {
    let ports: [UnixStream; 4] = ports
        .try_into()
        .map_err(|_| anyhow::anyhow!("not four ports"))?;
    let [stdin, stdout, stderr, status] = ports;
    let mut answer = status.try_clone()?;
    let (send, events) = mpsc::channel();

    std::thread::spawn(move || feed(stdin));
    let outputs = [
        pump(
            stdout,
            io::stdout(),
            end.as_bytes().to_owned(),
            send.clone(),
        ),
        pump(
            stderr,
            io::stderr(),
            end.as_bytes().to_owned(),
            send.clone(),
        ),
    ];
    std::thread::spawn(move || listen(status, &send));

    let deadline = limit.map(|limit| Instant::now() + limit);
    let mut seen = Seen::default();
    let mut complete = 0;
    loop {
        let event = match deadline {
            Some(deadline) => {
                events.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            }
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(Event::Started) => seen.started = true,
            Ok(Event::Status(status)) => seen.status = Some(status),
            Ok(Event::Complete) => complete += 1,
            Ok(Event::Unread) => {
                seen.unread = true;
                break;
            }
            Ok(Event::Gone) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                seen.timed_out = true;
                break;
            }
        }
        if complete == 2 && seen.status.is_some() {
            // Should the guest be gone already, the Gone that follows says so.
            let _gone = answer.write_all(b"off\n");
            complete = 0;
        }
    }
    if seen.timed_out || seen.unread {
        child.kill().context("cannot end QEMU")?;
    }
    child.wait().context("cannot wait for QEMU")?;
    for output in outputs {
        output
            .join()
            .map_err(|_| anyhow::anyhow!("the thread of an output stream panicked"))?;
    }
    Ok(seen)
}

/// Carries the lab's stdin into the guest; its end reaches the command as end of file.
fn feed(mut port: UnixStream) {
    // A guest that is gone reads no more, and its end is seen elsewhere.
    let _gone = io::copy(&mut io::stdin().lock(), &mut port);
    // Only this half: QEMU takes a wholly closed socket for gone, and drops what is still in it.
    let _gone = port.shutdown(Shutdown::Write);
    // The other half stays open until QEMU ends.
    let _end = io::copy(&mut port, &mut io::sink());
}

/// Carries one output stream out of the guest, up to its end marker.
fn pump(
    mut port: UnixStream,
    mut output: impl Write + Send + 'static,
    end: Vec<u8>,
    events: Sender<Event>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut held = Held::new(end);
        let mut buffer = vec![0; 1 << 16];
        let mut unread = false;
        loop {
            let n = match port.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let (text, ended) = held.pass(&buffer[..n]);
            if !unread
                && output
                    .write_all(&text)
                    .and_then(|()| output.flush())
                    .is_err()
            {
                unread = true;
                // The main thread has stopped listening when this fails.
                let _over = events.send(Event::Unread);
            }
            if ended {
                let _over = events.send(Event::Complete);
            }
        }
        if !unread {
            let _unread = output.write_all(&held.rest()).and_then(|()| output.flush());
        }
    })
}

/// Holds back what could be the beginning of the end marker.
struct Held {
    end: Vec<u8>,
    held: Vec<u8>,
    ended: bool,
}

impl Held {
    fn new(end: Vec<u8>) -> Held {
        Held {
            end,
            held: Vec::new(),
            ended: false,
        }
    }

    /// Takes the next bytes; gives those that are surely output, and whether the marker has come
    /// with them. What a forgotten child of the command writes after it is dropped.
    fn pass(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        if self.ended {
            return (Vec::new(), false);
        }
        self.held.extend_from_slice(bytes);
        if let Some(at) = find(&self.held, &self.end) {
            self.ended = true;
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        let longest = self.end.len().saturating_sub(1).min(self.held.len());
        let keep = (0..=longest)
            .rev()
            .find(|&n| self.held.ends_with(&self.end[..n]))
            .unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What was held back when the stream ended without a marker.
    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

/// Where `needle` first is in `bytes`.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|&byte| byte == first) {
        if bytes[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// Reads the status port.
fn listen(port: UnixStream, events: &Sender<Event>) {
    for line in BufReader::new(port).lines() {
        let event = match line.as_deref() {
            Ok("run") => Event::Started,
            Ok(line) => match line.strip_prefix("status ").and_then(|n| n.parse().ok()) {
                Some(status) => Event::Status(status),
                None => continue,
            },
            Err(_) => break,
        };
        if events.send(event).is_err() {
            return;
        }
    }
    // Nobody listens any more when the run is over.
    let _over = events.send(Event::Gone);
}

/// Whether the console shows a panic, an oops among them: the lab boots with oops=panic.
fn has_panic(console: &[u8]) -> bool {
    find(console, b"Kernel panic - not syncing").is_some()
}

/// 32 hexadecimal digits that no command can guess.
fn random_text() -> Result<String> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    #[test]
    fn output_without_a_marker_comes_whole() {
        let mut held = Held::new(b"END".to_vec());
        assert_eq!(held.pass(b"abcEN"), (b"abc".to_vec(), false));
        assert_eq!(held.rest(), b"EN");
    }

    proptest! {
        #[test]
        fn the_marker_is_found_however_the_stream_is_cut(
            text in "[ab]{0,40}", sizes in prop::collection::vec(1usize..5, 60)
        ) {
            let marker = b"aabb".to_vec();
            prop_assume!(!(text.clone() + "aab").contains("aabb"));
            let stream = [text.as_bytes(), &marker, b"late"].concat();
            let (mut held, mut output, mut ends, mut at) = (Held::new(marker), Vec::new(), 0, 0);
            for size in sizes {
                let next = (at + size).min(stream.len());
                let (bytes, ended) = held.pass(&stream[at..next]);
                output.extend(bytes);
                ends += usize::from(ended);
                at = next;
            }
            prop_assume!(at == stream.len());
            prop_assert_eq!(output, text.into_bytes());
            prop_assert_eq!(ends, 1);
        }
    }
}
