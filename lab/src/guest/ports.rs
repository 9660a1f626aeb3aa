//! The guest's virtio serial ports: one for each of stdin, stdout, stderr and the status.
//!
//! Each port's other end is a socket here. On the status port the guest says `run` before the
//! command and `status N` after it. An end marker follows the command's output on stdout and
//! stderr; once the lab has read both markers it answers on the status port, and only then does
//! the guest power off. So nothing is lost on the way, however much is still queued when the
//! command ends.

use crate::guest::stdin;
use crate::output::say;
use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::sys::wait::{waitid, Id, WaitPidFlag};
use nix::unistd::Pid;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// The ports in the order in which the guest learns of them; its init counts on status being last.
pub const PORTS: [&str; 4] = ["stdin", "stdout", "stderr", "status"];

/// Those of a guest that boots before it is known what for: what it is to have comes by one more.
pub const PORTS_AND_FILES: [&str; 5] = ["stdin", "stdout", "stderr", "files", "status"];

/// What was seen of a run.
#[derive(Default)]
pub struct Seen {
    pub started: bool,
    pub status: Option<u8>,
    pub panic: bool,
    pub timed_out: bool,
    pub unread: bool,
    /// The other process ended, and the guest was ended.
    pub left: bool,
}

/// What the threads that serve the ports tell.
enum Event {
    Started,
    Status(u8),
    /// An output stream came to its end marker.
    Complete,
    /// An output stream cannot be written.
    Unwritable(io::Error),
    /// A port's socket was closed: QEMU ended.
    Gone,
    /// The other process ended.
    Left,
}

/// How long a guest may take to boot: the debug kernel's takes half a minute where nothing is fast.
pub const BOOT_LIMIT: Duration = Duration::from_secs(300);

/// Serves the ports until QEMU ends. `started`: whether the guest has said already that it runs the
/// command. The guest is ended when another process, if there is `other`, has ended.
pub fn attend(
    child: &mut Child,
    ports: Vec<UnixStream>,
    end: &str,
    limit: Option<Duration>,
    stdin_is_read: bool,
    started: bool,
    other: Option<&Child>,
) -> Result<Seen> {
    let ports: [UnixStream; 4] = ports
        .try_into()
        .map_err(|_| anyhow::anyhow!("not four ports"))?;
    let [stdin, stdout, stderr, status] = ports;
    let mut answer = status.try_clone()?;
    let (send, events) = mpsc::channel();

    std::thread::spawn(move || feed(stdin, stdin_is_read));
    let outputs = [
        pump(
            stdout,
            cli::stdout(),
            end.as_bytes().to_owned(),
            send.clone(),
        ),
        pump(
            stderr,
            cli::stderr(),
            end.as_bytes().to_owned(),
            send.clone(),
        ),
    ];
    if let Some(other) = other {
        let (id, send) = (Pid::from_raw(other.id() as i32), send.clone());
        std::thread::spawn(move || watch(id, &send));
    }
    std::thread::spawn(move || listen(status, &send));

    let mut deadline = match started {
        true => after(limit),
        false => after(limit.map(|limit| limit.min(BOOT_LIMIT))),
    };
    let mut seen = Seen {
        started,
        ..Seen::default()
    };
    let mut complete = 0;
    let mut unwritable = None;
    loop {
        let event = match deadline {
            Some(deadline) => {
                events.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            }
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(Event::Started) => {
                seen.started = true;
                deadline = after(limit);
            }
            Ok(Event::Status(status)) => seen.status = Some(status),
            Ok(Event::Complete) => complete += 1,
            Ok(Event::Unwritable(error)) => {
                unwritable = Some(error);
                break;
            }
            Ok(Event::Left) => {
                seen.left = true;
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
    if seen.timed_out || seen.left || unwritable.is_some() {
        child.kill().context("cannot end QEMU")?;
    }
    child.wait().context("cannot wait for QEMU")?;
    for output in outputs {
        output
            .join()
            .map_err(|_| anyhow::anyhow!("the thread of an output stream panicked"))?;
    }
    match unwritable {
        Some(e) if e.kind() == io::ErrorKind::BrokenPipe => seen.unread = true,
        Some(e) => return Err(e).context("cannot write the command's output; the guest was ended"),
        None => (),
    }
    Ok(seen)
}

/// When that much time will have passed; never, if no clock goes as far.
pub fn after(limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| Instant::now().checked_add(limit))
}

/// A pair of sockets for each of these ports: our ends, and theirs.
#[allow(clippy::type_complexity)]
pub fn pairs(names: &[&'static str]) -> Result<(Vec<UnixStream>, Vec<(&'static str, UnixStream)>)> {
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for &name in names {
        let (our, their) = UnixStream::pair().context("cannot make a pair of sockets")?;
        ours.push(our);
        theirs.push((name, their));
    }
    Ok((ours, theirs))
}

/// Reads one line of the status port, within that time. Nothing behind it is taken.
pub fn line(mut port: &UnixStream, limit: Duration) -> Result<String> {
    let deadline = Instant::now() + limit;
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let left = deadline.saturating_duration_since(Instant::now());
        // None would be no limit, and no time is an error.
        port.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let mut byte = [0];
        let got = port.read(&mut byte).context("the guest says nothing")?;
        if got == 0 {
            bail!("the guest ended");
        }
        line.push(byte[0]);
    }
    port.set_read_timeout(None)?;
    line.pop();
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// Carries the lab's stdin into the guest, if it is read; its end reaches the command as end of file.
fn feed(mut port: UnixStream, is_read: bool) {
    let mut buffer = vec![0; 1 << 16];
    let mut has_more = is_read;
    while has_more {
        match stdin::read(&mut buffer) {
            Ok(0) => has_more = false,
            // A guest that is gone reads no more, and its end is seen elsewhere.
            Ok(n) if port.write_all(&buffer[..n]).is_err() => return,
            Ok(_) => (),
            Err(e) => {
                say!("cannot read stdin, so it ends for the command: {e}");
                has_more = false;
            }
        }
    }
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
        let mut write = |bytes: &[u8]| output.write_all(bytes).and_then(|()| output.flush());
        loop {
            let n = match port.read(&mut buffer) {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                // QEMU was killed.
                Err(_) => 0,
            };
            let (text, ended) = match n {
                0 => (held.rest(), false),
                _ => held.pass(&buffer[..n]),
            };
            // The main thread has stopped listening when a send fails.
            if let Err(e) = write(&text) {
                let _over = events.send(Event::Unwritable(e));
                return;
            }
            if ended {
                let _over = events.send(Event::Complete);
            }
            if n == 0 {
                return;
            }
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
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
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

/// Waits for the end of a child of the lab's, which somebody else reaps.
fn watch(id: Pid, events: &Sender<Event>) {
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while let Err(Errno::EINTR) = waitid(Id::Pid(id), ended) {}
    // Nobody listens any more when the run is over.
    let _over = events.send(Event::Left);
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

/// 32 hexadecimal digits that no command can guess.
pub fn random_text() -> Result<String> {
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
