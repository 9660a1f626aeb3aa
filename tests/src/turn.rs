//! Whose turn it is: the tests of one program load the same module, and share the kernel's log.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;

use crate::kmsg::KernelLog;

static TURN: Mutex<Turn> = Mutex::new(Turn {
    log: None,
    test: String::new(),
});

/// What one test hands to the next.
pub struct Turn {
    log: Option<KernelLog>,
    /// Whose turn it is, or was.
    test: String,
}

impl Turn {
    /// The kernel's log since the turn began.
    pub fn log(&mut self) -> &mut KernelLog {
        self.log.get_or_insert_with(KernelLog::from_now)
    }

    /// Forgets what the kernel has said.
    pub fn forget_log(&mut self) {
        self.log = Some(KernelLog::from_now());
    }

    /// What the kernel has complained of since the turn ended.
    fn late_complaint(&mut self) -> Option<String> {
        let complaint = self.log().complaint_but(|_| false)?;
        Some(format!("after test {}, {complaint}", self.test))
    }
}

/// Waits for the end of all other tests' turns.
///
/// # Panics
///
/// If the kernel has complained since the last turn: the test is told that had it.
#[track_caller]
pub fn begin() -> MutexGuard<'static, Turn> {
    // A test that failed has unloaded its module like any other.
    let mut turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if turn.log.is_none() {
        // SAFETY: a function of this program, which no dlclose(3) takes away.
        let refused = unsafe { libc::atexit(end_of_last) };
        assert_eq!(refused, 0, "atexit");
    }
    let late = turn.late_complaint();
    turn.test = thread::current().name().unwrap_or("a test").to_owned();
    say_on_console(&turn.test);
    if let Some(complaint) = late {
        turn.forget_log();
        panic!("{complaint}");
    }
    turn
}

/// Of a kernel that goes down, the last lines on its console are all that is left: they are to say
/// whose turn it was.
fn say_on_console(test: &str) {
    let mut console = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open("/dev/console")
        .expect("/dev/console");
    writeln!(console, "test {test}").expect("/dev/console");
}

/// When the program ends, there is no test left to fail.
extern "C" fn end_of_last() {
    let mut turn = match TURN.try_lock() {
        Ok(turn) => turn,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // The program is ended in the middle of a test, and has said why.
        Err(TryLockError::WouldBlock) => return,
    };
    if let Some(complaint) = turn.late_complaint() {
        let _ = writeln!(io::stderr(), "{complaint}");
        // SAFETY: ends the program at once, whatever it was about to do.
        unsafe { libc::_exit(101) };
    }
}
