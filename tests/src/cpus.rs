//! The CPUs of the guest: which there are, running on one of them, and taking one away.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::thread;

use nix::errno::Errno;
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::Pid;

use crate::errno::errno;
use crate::wait::stat_field;
use crate::Module;

const FOLDER: &str = "/sys/devices/system/cpu";

/// The CPUs that are online, in order.
pub fn online_cpus() -> Vec<usize> {
    list("online")
}

/// The CPUs that there can be, in order: always the same.
pub fn possible_cpus() -> Vec<usize> {
    // Reading from there takes longer than all else that most tests do.
    static POSSIBLE: Mutex<Option<Vec<usize>>> = Mutex::new(None);
    let mut possible = POSSIBLE.lock().unwrap_or_else(|it| it.into_inner());
    possible.get_or_insert_with(|| list("possible")).clone()
}

fn list(file: &str) -> Vec<usize> {
    let path = format!("{FOLDER}/{file}");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    parse_list(text.trim()).unwrap_or_else(|| panic!("{path}: {text:?}"))
}

/// `0-2,5` and the like.
fn parse_list(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cpus.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(cpus)
}

/// The CPUs that the kernel threads of this name may run on, as /proc shows them. A thread that ends
/// is not counted: kthread_stop() does not wait until it has left /proc.
pub fn cpus_of_threads(name: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("no /proc").flatten();
    processes
        .filter_map(|process| {
            let read = |file| fs::read_to_string(process.path().join(file)).ok();
            let status = read("status")?;
            let value = |key| {
                Some(
                    status
                        .lines()
                        .find_map(|line| line.strip_prefix(key))?
                        .trim(),
                )
            };
            let is_one = value("Name:")? == name && !is_ending(&read("stat")?);
            is_one.then(|| value("Cpus_allowed_list:").map(str::to_owned))?
        })
        .collect()
}

/// Whether a task is on its way through do_exit(), from its `stat` in /proc.
fn is_ending(stat: &str) -> bool {
    const PF_EXITING: u32 = 0x4;
    let flags = stat_field(stat, 9).parse::<u32>();
    flags.unwrap_or_else(|_| panic!("{stat:?}")) & PF_EXITING != 0
}

/// Has this thread run on this CPU alone, from now on.
#[track_caller]
pub fn run_on(cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu).expect("no such CPU");
    sched_setaffinity(Pid::from_raw(0), &cpus)
        .unwrap_or_else(|error| panic!("cannot run on CPU {cpu}: {error}"));
}

/// Has this thread keep its CPU until it sleeps: what runs there as usual cannot come between.
#[track_caller]
pub fn run_before_all_others() {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: it is about this thread, and reads a priority.
    let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &priority) };
    Errno::result(set).expect("sched_setscheduler(2) failed");
}

/// The CPU that can go, beside this [`Module`]; the test ends in a guest with one CPU, which has none.
#[macro_export]
macro_rules! spare_cpu {
    ($module:expr) => {
        match $crate::SpareCpu::find(&$module) {
            Some(spare) => spare,
            None => return,
        }
    };
}

/// The CPU that can go offline, which is the last. Dropping it brings it back, so it has to be
/// dropped before the module that it is with: by then the next test may run.
pub struct SpareCpu {
    number: usize,
}

impl SpareCpu {
    /// None if it is the only one. Tests take turns by their module.
    pub fn find(_module: &Module) -> Option<SpareCpu> {
        let number = *online_cpus().last()?;
        (number > 0).then(|| SpareCpu { number })
    }

    pub fn number(&self) -> usize {
        self.number
    }

    /// Takes it offline or brings it online, through /sys.
    pub fn set_online(&self, online: bool) -> Result<(), Errno> {
        self.write("online", if online { "1" } else { "0" })
    }

    /// Runs `f` while it goes offline and comes back all the time.
    pub fn comes_and_goes_while(&self, f: impl FnOnce()) {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(self.set_online(false), Ok(()));
                    assert_eq!(self.set_online(true), Ok(()));
                }
            });
            f();
            done.store(true, Ordering::Relaxed);
        });
    }

    /// Has it fail with `EAGAIN` when it next comes to the state of CPU hotplug that is called so
    /// in `/sys/devices/system/cpu/hotplug/states`.
    #[track_caller]
    pub fn fail_at(&self, state: &str) {
        let path = format!("{FOLDER}/hotplug/states");
        let states = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let found = states.lines().find_map(|line| {
            let (number, name) = line.split_once(':')?;
            (name.trim() == state).then(|| number.trim())
        });
        let number = found.unwrap_or_else(|| panic!("no {state:?} in {states}"));
        self.write("hotplug/fail", number)
            .unwrap_or_else(|error| panic!("cannot fail at {state}: {error}"));
    }

    fn write(&self, file: &str, text: &str) -> Result<(), Errno> {
        let path = PathBuf::from(format!("{FOLDER}/cpu{}/{file}", self.number));
        errno(fs::write(path, text))
    }
}

impl Drop for SpareCpu {
    fn drop(&mut self) {
        // -1: nowhere.
        let back = self
            .write("hotplug/fail", "-1")
            .and_then(|()| self.set_online(true));
        if let (Err(error), false) = (back, thread::panicking()) {
            panic!("CPU {} does not come back: {error}", self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cpus_has_numbers_and_ranges() {
        assert_eq!(parse_list("0"), Some(vec![0]));
        assert_eq!(parse_list("0-3"), Some(vec![0, 1, 2, 3]));
        assert_eq!(parse_list("0,2-3,7"), Some(vec![0, 2, 3, 7]));
        assert_eq!(parse_list(""), None);
    }

    #[test]
    fn a_thread_that_ends_is_told_from_one_that_sleeps() {
        let stat = |flags| format!("69 (kworker/0:1) a) {} 2 0 0 0 -1 {flags} 0 0\n", 'I');
        assert!(!is_ending(&stat(0x0420_8060)));
        assert!(is_ending(&stat(0x0420_8064)));
    }
}
