//! The node, and waiting for it without missing a signal.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::io::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use abi::simrupt::{get_stats, simrupt_stats};
use anyhow::{anyhow, bail, Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{poll, PollFd, PollFlags};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// An open `/dev/simrupt`.
pub struct Node {
    file: File,
    path: PathBuf,
}

impl Node {
    /// Opens the node so that a read never waits: another reader may take the bytes that poll(2)
    /// has just announced, and a read that then slept would not see a signal or the end of the
    /// time.
    pub fn open(path: &Path) -> Result<Node> {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(path);
        match opened {
            Ok(file) => Ok(Node {
                file,
                path: path.to_owned(),
            }),
            Err(error) => {
                let path = path.display();
                Err(match error.raw_os_error().map(Errno::from_i32) {
                    Some(Errno::ENOENT) => anyhow!("{path}: not there; is simrupt.ko loaded?"),
                    Some(Errno::EACCES | Errno::EPERM) => {
                        anyhow!("{path}: permission denied; the node is root's, so try as root")
                    }
                    Some(Errno::EBUSY) => {
                        anyhow!("{path}: busy; try again when its user has closed it")
                    }
                    Some(Errno::ENODEV | Errno::ENXIO) => {
                        anyhow!("{path}: no device behind it; is simrupt.ko loaded?")
                    }
                    _ => anyhow!("{path}: cannot open: {error}"),
                })
            }
        }
    }

    /// The bytes that are there now, at most `buffer.len()`; `None` if there are none.
    pub fn read<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
        match nix::unistd::read(self.file.as_raw_fd(), buffer) {
            Ok(0) => bail!(
                "{}: the stream ended; is it a simrupt node?",
                self.path.display()
            ),
            Ok(length) => Ok(Some(&buffer[..length])),
            Err(Errno::EAGAIN) => Ok(None),
            Err(error) => {
                Err(error).with_context(|| format!("{}: cannot read", self.path.display()))
            }
        }
    }

    pub fn stats(&self) -> Result<simrupt_stats> {
        let path = self.path.display();
        get_stats(&self.file).map_err(|error| match error {
            Errno::ENOTTY => anyhow!("{path}: has no statistics; is it a simrupt node?"),
            _ => anyhow!("{path}: cannot get the statistics: {error}"),
        })
    }
}

/// What ended a wait.
pub enum Wake {
    Ready,
    /// A signal, the end of the time, or nobody left who reads the output.
    Stop,
}

/// Waits for descriptors. SIGINT and SIGTERM are blocked and read from a descriptor as well, so
/// there is no moment at which one of them could come and not be seen.
pub struct Waiter {
    signals: SignalFd,
}

impl Waiter {
    pub fn new() -> Result<Waiter> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGINT);
        set.add(Signal::SIGTERM);
        set.thread_block()
            .context("cannot block SIGINT and SIGTERM")?;
        let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC)
            .context("cannot make a signalfd; does this kernel have CONFIG_SIGNALFD?")?;
        Ok(Waiter { signals })
    }

    /// Waits until `node` has bytes.
    pub fn readable(&self, node: &Node, deadline: Option<Instant>) -> Result<Wake> {
        self.wait(node.file.as_raw_fd(), PollFlags::POLLIN, deadline)
    }

    /// Waits until a write of less than a page to `output` would not sleep.
    pub fn writable(&self, output: RawFd) -> Result<Wake> {
        self.wait(output, PollFlags::POLLOUT, None)
    }

    /// Whether SIGINT or SIGTERM has come.
    pub fn interrupted(&self) -> Result<bool> {
        let mut signals = [PollFd::new(self.signals.as_raw_fd(), PollFlags::POLLIN)];
        match poll(&mut signals, 0) {
            Ok(count) => Ok(count > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(error) => Err(error).context("cannot poll"),
        }
    }

    fn wait(&self, fd: RawFd, events: PollFlags, deadline: Option<Instant>) -> Result<Wake> {
        let mut fds = [
            PollFd::new(self.signals.as_raw_fd(), PollFlags::POLLIN),
            PollFd::new(fd, events),
            // An empty set: only told when the other end of a pipe has gone.
            PollFd::new(1, PollFlags::empty()),
        ];
        loop {
            match poll(&mut fds, timeout(deadline)) {
                Ok(0) if timeout(deadline) == 0 => return Ok(Wake::Stop),
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => break,
                Err(error) => return Err(error).context("cannot poll"),
            }
        }
        let happened = |fd: &PollFd| fd.revents().map_or(true, |events| !events.is_empty());
        if happened(&fds[0]) || happened(&fds[2]) {
            return Ok(Wake::Stop);
        }
        Ok(Wake::Ready)
    }
}

/// poll(2)'s time-out in milliseconds, rounded up so that it does not wake before the deadline.
fn timeout(deadline: Option<Instant>) -> i32 {
    match deadline {
        None => -1,
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            let rounded = left + Duration::from_nanos(999_999);
            i32::try_from(rounded.as_millis()).unwrap_or(i32::MAX)
        }
    }
}
