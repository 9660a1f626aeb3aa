//! A signal ends a read that sleeps.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::{Scope, ScopedJoinHandle};
use std::{io, thread};

use nix::errno::Errno;
use nix::sys::pthread::{pthread_kill, pthread_self, Pthread};
use nix::sys::signal::{kill, sigaction, SaFlags, SigAction, SigHandler, SigSet, Signal};
use nix::unistd::{gettid, Pid};
use tests::{asleep_in_read, at_once, until, Asleep};

use crate::node::{load, Node, STILL};

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// Lets `signal` do nothing but be counted.
fn handle(signal: Signal, flags: SaFlags) {
    let action = SigAction::new(SigHandler::Handler(count), flags, SigSet::empty());
    // SAFETY: the handler only touches an atomic.
    unsafe { sigaction(signal, &action) }.unwrap();
}

/// A thread that sleeps in a read of one byte.
pub struct Sleeper<'scope> {
    thread: ScopedJoinHandle<'scope, Result<Vec<u8>, Errno>>,
    pthread: Pthread,
    sleep: Asleep,
    fd: i32,
}

impl<'scope> Sleeper<'scope> {
    /// Starts the thread, and returns when it sleeps.
    pub fn start(scope: &'scope Scope<'scope, '_>, node: &'scope Node) -> Sleeper<'scope> {
        use std::os::unix::io::AsRawFd;
        let (tell, told) = mpsc::channel();
        let thread = scope.spawn(move || {
            tell.send((pthread_self(), gettid())).unwrap();
            node.read_up_to(1)
        });
        let (pthread, id) = told.recv().unwrap();
        let sleep = Asleep::Thread(id);
        let sleeper = Sleeper {
            thread,
            pthread,
            sleep,
            fd: node.as_raw_fd(),
        };
        sleeper.wait_until_asleep();
        sleeper
    }

    fn wait_until_asleep(&self) {
        until("a thread asleep in read(2)", || {
            asleep_in_read(&self.sleep, &self.fd)
        });
    }

    /// Interrupts the read by a signal whose handler does not restart it, and says what it
    /// returned.
    pub fn interrupt(self) -> Result<Vec<u8>, Errno> {
        handle(Signal::SIGUSR1, SaFlags::empty());
        pthread_kill(self.pthread, Signal::SIGUSR1).unwrap();
        self.thread.join().unwrap()
    }
}

#[test]
fn a_handler_without_sa_restart_ends_a_read_with_eintr() {
    let _module = load(&["log=0", STILL]);
    let node = Node::open();
    thread::scope(|scope| {
        let handled = HANDLED.load(Ordering::SeqCst);
        let sleeper = Sleeper::start(scope, &node);
        assert_eq!(sleeper.interrupt(), Err(Errno::EINTR));
        assert_eq!(HANDLED.load(Ordering::SeqCst), handled + 1);
    });
    let stats = node.settled_stats();
    assert_eq!(stats.delivered, 0, "{stats:?}");
}

#[test]
fn a_handler_with_sa_restart_lets_a_read_go_on() {
    let _module = load(&["log=0", "delay_ms=1500"]);
    let node = Node::open();
    thread::scope(|scope| {
        handle(Signal::SIGUSR2, SaFlags::SA_RESTART);
        let handled = HANDLED.load(Ordering::SeqCst);
        let sleeper = Sleeper::start(scope, &node);
        pthread_kill(sleeper.pthread, Signal::SIGUSR2).unwrap();
        until("the handler's run", || {
            HANDLED.load(Ordering::SeqCst) > handled
        });
        assert_eq!(sleeper.thread.join().unwrap().as_deref(), Ok(&b" "[..]));
    });
}

/// A program that sleeps in a read of the node.
struct SleepingProgram(Child);

impl SleepingProgram {
    fn start() -> SleepingProgram {
        let node = Node::open();
        let child = Command::new("dd")
            .args(["bs=1", "count=1"])
            .stdin(node.0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("cannot run dd");
        let program = SleepingProgram(child);
        let sleep = Asleep::Process(program.id());
        until("dd asleep in read(2)", || asleep_in_read(&sleep, &0));
        program
    }

    fn id(&self) -> Pid {
        Pid::from_raw(self.0.id() as i32)
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        let mut ended = None;
        until("the program's end", || {
            ended = self.0.try_wait().transpose();
            ended.is_some()
        });
        ended.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Drop for SleepingProgram {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_fatal_signal_ends_a_sleeping_reader() {
    let module = load(&["log=0", STILL]);
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT] {
        let mut reader = SleepingProgram::start();
        assert_eq!(module.references(), 1);
        kill(reader.id(), signal).unwrap();
        let ended = at_once(|| reader.wait().unwrap());
        assert_eq!(ended.signal(), Some(signal as i32), "{signal}");
        assert_eq!(module.references(), 0);
    }
}

#[test]
fn a_stopped_reader_goes_on_when_it_is_continued() {
    let _module = load(&["log=0", "delay_ms=1500"]);
    let mut reader = SleepingProgram::start();
    kill(reader.id(), Signal::SIGSTOP).unwrap();
    let stat = format!("/proc/{}/stat", reader.id());
    until("a stopped reader", || {
        let stat = std::fs::read_to_string(&stat).unwrap();
        stat.rsplit(") ")
            .next()
            .map_or(false, |state| state.starts_with('T'))
    });
    kill(reader.id(), Signal::SIGCONT).unwrap();
    assert_eq!(reader.wait().unwrap().code(), Some(0));
}
