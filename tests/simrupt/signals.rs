//! A signal ends a read that sleeps.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::Scope;
use std::{io, thread};

use nix::errno::Errno;
use nix::sys::signal::{kill, SaFlags, Signal};
use nix::unistd::Pid;
use tests::transfer::Pipe;
use tests::{
    asleep_in_read, asleep_in_splice, at_once, count_signal, counted_signals, stat_field, until,
    Asleep, Caller,
};

use crate::node::{load, Node, STILL};

/// A thread that sleeps in a read of one byte.
pub struct Sleeper<'scope>(Caller<'scope, Result<Vec<u8>, Errno>>);

impl<'scope> Sleeper<'scope> {
    /// Starts the thread, and returns when it sleeps.
    pub fn start(scope: &'scope Scope<'scope, '_>, node: &'scope Node) -> Sleeper<'scope> {
        let caller = Caller::start(scope, || node.read_up_to(1));
        until("a thread asleep in read(2)", || {
            asleep_in_read(caller.task(), &node.0)
        });
        Sleeper(caller)
    }

    /// Interrupts the read by a signal whose handler does not restart it, and says what it
    /// returned.
    pub fn interrupt(self) -> Result<Vec<u8>, Errno> {
        count_signal(Signal::SIGUSR1, SaFlags::empty());
        self.0.signal(Signal::SIGUSR1);
        self.0.join()
    }
}

#[test]
fn a_handler_without_sa_restart_ends_a_read_with_eintr() {
    let _module = load(&["log=0", STILL]);
    let node = Node::open();
    thread::scope(|scope| {
        let counted = counted_signals();
        let sleeper = Sleeper::start(scope, &node);
        assert_eq!(sleeper.interrupt(), Err(Errno::EINTR));
        assert_eq!(counted_signals(), counted + 1);
    });
    let stats = node.settled_stats();
    assert_eq!(stats.delivered, 0, "{stats:?}");
}

#[test]
fn a_signal_ends_a_splice_that_waits() {
    let _module = load(&["log=0", STILL]);
    let node = Node::open();
    let pipe = Pipe::new();
    thread::scope(|scope| {
        count_signal(Signal::SIGUSR1, SaFlags::empty());
        let caller = Caller::start(scope, || pipe.splice_from(&node, 1));
        until("a thread asleep in splice(2)", || {
            asleep_in_splice(caller.task(), &node.0)
        });
        caller.signal(Signal::SIGUSR1);
        assert_eq!(caller.join(), Err(Errno::EINTR));
    });
    assert!(pipe.is_empty());
    assert_eq!(node.settled_stats().delivered, 0);
}

#[test]
fn a_handler_with_sa_restart_lets_a_read_go_on() {
    let _module = load(&["log=0", "delay_ms=1500"]);
    let node = Node::open();
    thread::scope(|scope| {
        count_signal(Signal::SIGUSR2, SaFlags::SA_RESTART);
        let counted = counted_signals();
        let Sleeper(caller) = Sleeper::start(scope, &node);
        caller.signal(Signal::SIGUSR2);
        until("the handler's run", || counted_signals() > counted);
        assert_eq!(caller.join().as_deref(), Ok(&b" "[..]));
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
        stat_field(&stat, 3) == "T"
    });
    kill(reader.id(), Signal::SIGCONT).unwrap();
    assert_eq!(reader.wait().unwrap().code(), Some(0));
}
