//! Processes that have a session from their parent.

use std::thread;

use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, ForkResult, Pid};
use tests::{until, Asleep};

/// A process that ends when it is dropped, at the latest.
pub struct Child {
    id: Pid,
    end: WaitStatus,
}

impl Child {
    /// Starts a process that calls `f`, and whose status is 0 if that returned true.
    ///
    /// There are other threads in this program, which may hold locks, so `f` makes system calls and
    /// nothing else that could take one.
    pub fn start(f: impl FnOnce() -> bool) -> Child {
        // SAFETY: by what is said of `f`.
        match unsafe { fork() }.expect("fork(2) failed") {
            ForkResult::Child => {
                let status = i32::from(!f());
                // SAFETY: it ends the process, with nothing else done.
                unsafe { libc::_exit(status) }
            }
            ForkResult::Parent { child } => Child {
                id: child,
                end: WaitStatus::StillAlive,
            },
        }
    }

    pub fn task(&self) -> Asleep {
        Asleep::Process(self.id)
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.id, signal).unwrap();
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        if self.end == WaitStatus::StillAlive {
            self.end = waitpid(self.id, Some(WaitPidFlag::WNOHANG)).unwrap();
        }
        self.end == WaitStatus::StillAlive
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(&mut self) -> WaitStatus {
        until("the end of a process", || !self.is_running());
        self.end
    }

    /// Fails unless it ends by itself, with success.
    #[track_caller]
    pub fn succeeds(mut self) {
        let id = self.id;
        assert_eq!(self.end(), WaitStatus::Exited(id, 0));
    }

    /// Fails unless `signal` ends it.
    #[track_caller]
    pub fn ends_by(mut self, signal: Signal) {
        let id = self.id;
        assert_eq!(self.end(), WaitStatus::Signaled(id, signal, false));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.end == WaitStatus::StillAlive {
            let killed = kill(self.id, Signal::SIGKILL).and_then(|()| waitpid(self.id, None));
            if !thread::panicking() {
                killed.expect("a child that cannot be killed");
            }
        }
    }
}
