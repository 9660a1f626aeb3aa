//! Waiting for something that must happen, with an end to the patience.

use std::fs;
use std::os::unix::io::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

/// How long anything may take that should happen soon. Long, because a guest without KVM on a busy
/// machine is slow, and a test that passes never waits for it.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Waits until `condition` holds, and fails the test if it never does.
#[track_caller]
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_in_time(condition), "not within {LIMIT:?}: {what}");
}

/// Waits until `condition` holds, and says whether it ever did.
pub fn holds_in_time(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Much more than a call takes that does not wait, much less than what a test has it not wait for.
pub const AT_ONCE: Duration = Duration::from_secs(4);

/// Runs `call`, which must not wait.
#[track_caller]
pub fn at_once<T>(call: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = call();
    let elapsed = start.elapsed();
    assert!(elapsed < AT_ONCE, "took {elapsed:?}");
    result
}

/// A task that may sleep, to be asked about.
pub enum Asleep {
    /// A thread of this program.
    Thread(Pid),
    /// The first thread of another program.
    Process(Pid),
}

impl Asleep {
    fn file(&self, name: &str) -> String {
        match self {
            Asleep::Thread(id) => format!("/proc/self/task/{id}/{name}"),
            Asleep::Process(id) => format!("/proc/{id}/{name}"),
        }
    }
}

/// Whether a task sleeps in read(2) of descriptor `fd`.
pub fn asleep_in_read(task: &Asleep, fd: &impl AsRawFd) -> bool {
    asleep_in(libc::SYS_read, task, fd)
}

/// Whether a task sleeps in write(2) to descriptor `fd`.
pub fn asleep_in_write(task: &Asleep, fd: &impl AsRawFd) -> bool {
    asleep_in(libc::SYS_write, task, fd)
}

/// Whether a task sleeps in ioctl(2) of descriptor `fd`.
pub fn asleep_in_ioctl(task: &Asleep, fd: &impl AsRawFd) -> bool {
    asleep_in(libc::SYS_ioctl, task, fd)
}

/// Whether a task sleeps in splice(2) from descriptor `fd`.
pub fn asleep_in_splice(task: &Asleep, fd: &impl AsRawFd) -> bool {
    asleep_in(libc::SYS_splice, task, fd)
}

fn asleep_in(call: libc::c_long, task: &Asleep, fd: &impl AsRawFd) -> bool {
    // A task that has ended has no such file; one that runs says "running".
    let now = fs::read_to_string(task.file("syscall")).unwrap_or_default();
    let mut words = now.split_whitespace();
    words.next() == Some(&call.to_string())
        && words.next() == Some(&format!("{:#x}", fd.as_raw_fd()))
}

/// How long a task has run in the kernel.
#[track_caller]
pub fn time_in_kernel(task: &Asleep) -> Duration {
    let stat = fs::read_to_string(task.file("stat")).expect("no such task");
    let ticks = stat_field(&stat, 15).parse::<u64>();
    // USER_HZ is 100.
    Duration::from_millis(10 * ticks.unwrap_or_else(|_| panic!("{stat:?}")))
}

/// A field of a task's `stat` in /proc, by its number in proc(5), which is 3 or more.
#[track_caller]
pub fn stat_field(stat: &str, number: usize) -> &str {
    // The second field is the name, in brackets.
    let behind_name = stat.rsplit(") ").next().unwrap_or_default();
    let mut fields = behind_name.split(' ');
    fields.nth(number - 3).unwrap_or_else(|| panic!("{stat:?}"))
}
