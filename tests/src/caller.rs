//! A thread of a test that is in a call, and signals that come to it there.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{Scope, ScopedJoinHandle};

use nix::sys::pthread::{pthread_kill, pthread_self, Pthread};
use nix::sys::signal::{sigaction, SaFlags, SigAction, SigHandler, SigSet, Signal};
use nix::unistd::gettid;

use crate::Asleep;

/// A thread that is in a call, or was.
pub struct Caller<'scope, T> {
    thread: ScopedJoinHandle<'scope, T>,
    pthread: Pthread,
    task: Asleep,
}

impl<'scope, T: Send + 'scope> Caller<'scope, T> {
    /// Starts a thread that makes the call.
    pub fn start(
        scope: &'scope Scope<'scope, '_>,
        call: impl FnOnce() -> T + Send + 'scope,
    ) -> Caller<'scope, T> {
        let (tell, told) = mpsc::channel();
        let thread = scope.spawn(move || {
            tell.send((pthread_self(), gettid())).unwrap();
            call()
        });
        let (pthread, id) = told.recv().unwrap();
        Caller {
            thread,
            pthread,
            task: Asleep::Thread(id),
        }
    }

    /// For questions whether it sleeps.
    pub fn task(&self) -> &Asleep {
        &self.task
    }

    pub fn has_returned(&self) -> bool {
        self.thread.is_finished()
    }

    /// Sends it a signal, which [`count_signal`] must have been called for.
    pub fn signal(&self, signal: Signal) {
        pthread_kill(self.pthread, signal).unwrap();
    }

    /// What the call returned, once it has.
    pub fn join(self) -> T {
        self.thread.join().unwrap()
    }
}

static COUNTED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    COUNTED.fetch_add(1, Ordering::SeqCst);
}

/// Has `signal` do nothing from now on but be counted.
pub fn count_signal(signal: Signal, flags: SaFlags) {
    let action = SigAction::new(SigHandler::Handler(count), flags, SigSet::empty());
    // SAFETY: the handler only touches an atomic.
    unsafe { sigaction(signal, &action) }.unwrap();
}

/// How many signals were counted.
pub fn counted_signals() -> u32 {
    COUNTED.load(Ordering::SeqCst)
}
