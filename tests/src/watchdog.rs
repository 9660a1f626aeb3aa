//! The end of a test that hangs.

use std::fs;
use std::io::{self, Write};
use std::process::{self, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use crate::{is_debug_kernel, setting};

/// Longer than any test takes on the slowest machine, shorter than the lab's patience. RLKM_LIMIT
/// says how many seconds it is instead.
const LIMIT: Duration = Duration::from_secs(120);
const LIMIT_OF_DEBUG_KERNEL: Duration = Duration::from_secs(600);

/// Ends the program with a message that names the test, unless dropped in time: a thread that
/// sleeps in the kernel cannot be made to fail in any other way.
pub struct Watchdog {
    // Dropping it wakes the thread.
    _alive: Sender<()>,
}

impl Watchdog {
    pub fn start() -> Watchdog {
        Watchdog::with_last_words(String::new)
    }

    /// Has something to say of its own, too, should the time run out.
    pub fn with_last_words(last_words: impl FnOnce() -> String + Send + 'static) -> Watchdog {
        let (alive, end) = mpsc::channel();
        // The test harness names each thread after its test.
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let limit = match setting("RLKM_LIMIT") {
            Some(seconds) => Duration::from_secs(seconds),
            None if is_debug_kernel() => LIMIT_OF_DEBUG_KERNEL,
            None => LIMIT,
        };
        thread::spawn(move || {
            if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                // Not `eprintln!`, which the harness would keep for itself.
                let _ = writeln!(
                    io::stderr(),
                    "test {test} ... FAILED: not finished after {limit:?}; its threads are in:\n{}{}",
                    places(),
                    last_words()
                );
                end_guest_with_this_program();
                process::exit(101);
            }
        });
        Watchdog { _alive: alive }
    }
}

/// A thread that sleeps uninterruptibly cannot be killed, and the program then stays with it: if it
/// is still there in a while, the guest is powered off.
fn end_guest_with_this_program() {
    let script = format!(
        "sleep 10; kill -0 {} && echo o >/proc/sysrq-trigger",
        process::id()
    );
    let shell = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = shell {
        let _ = writeln!(io::stderr(), "sh: {error}; the guest may stay");
    }
}

/// Where each thread of this program sleeps.
fn places() -> String {
    let tasks = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    tasks
        .map(|task| {
            let read = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default();
            format!("{}: {}", read("comm").trim(), read("syscall"))
        })
        .collect()
}
