//! Waiting without missing a signal.

use std::os::unix::io::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What ended a wait.
pub enum Wake {
    Ready,
    /// The time is over.
    TimedOut,
    /// A signal, or nobody left who reads the output.
    Stop,
}

/// Waits for descriptors. SIGINT and SIGTERM, or other signals, are blocked and read from a descriptor as well, so
/// there is no moment at which one of them could come and not be seen.
pub struct Waiter {
    set: SigSet,
    signals: SignalFd,
}

impl Waiter {
    pub fn new() -> Result<Waiter> {
        Waiter::of(&[Signal::SIGINT, Signal::SIGTERM])
    }

    /// One that takes these signals instead.
    pub fn of(signals: &[Signal]) -> Result<Waiter> {
        let set: SigSet = signals.iter().copied().collect();
        set.thread_block().context("cannot block signals")?;
        let signals = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context("cannot make a signalfd; does this kernel have CONFIG_SIGNALFD?")?;
        Ok(Waiter { set, signals })
    }

    /// Waits until `input` has bytes, or is at its end.
    pub fn readable(&self, input: &impl AsRawFd, deadline: Option<Instant>) -> Result<Wake> {
        self.wait(input.as_raw_fd(), PollFlags::POLLIN, deadline)
    }

    /// Waits until a write of at most a page to `output` would not sleep.
    pub fn writable(&self, output: &impl AsRawFd) -> Result<Wake> {
        self.wait(output.as_raw_fd(), PollFlags::POLLOUT, None)
    }

    /// Waits for the end of the time: `TimedOut` if nothing ended it earlier.
    pub fn sleep(&self, until: Instant) -> Result<Wake> {
        // poll(2) skips a negative descriptor.
        self.wait(-1, PollFlags::empty(), Some(until))
    }

    /// Whether one of the signals has come.
    pub fn interrupted(&self) -> Result<bool> {
        let mut signals = [PollFd::new(self.signals.as_raw_fd(), PollFlags::POLLIN)];
        match poll(&mut signals, 0) {
            Ok(count) => Ok(count > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(error) => Err(error).context("cannot poll"),
        }
    }

    /// Forgets the signals that have come, so that only those to come end what is done now.
    pub fn forget(&mut self) -> Result<()> {
        while let Some(_signal) = self.signals.read_signal().context("cannot read a signal")? {}
        Ok(())
    }

    /// Gives the signals their effect again: if one has come, it ends the program now.
    pub fn unblock(self) -> Result<()> {
        self.set.thread_unblock().context("cannot unblock signals")
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
                Ok(0) if timeout(deadline) == 0 => return Ok(Wake::TimedOut),
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
