//! The kernel's fault injection, as Documentation/fault-injection/fault-injection.rst in its source
//! describes it: a task is told which of its fault points fails.
//!
//! A fault point is an allocation from the slab (failslab), one of pages (fail_page_alloc), or a copy
//! from or to userland (fail_usercopy).

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::os::unix::io::AsRawFd;
use std::sync::Once;

use nix::errno::Errno;
use nix::sys::mman::{mlockall, MlockAllFlags};
use nix::sys::uio::pread;

const FOLDER: &str = "/sys/kernel/debug";

/// All kinds of allocations can fail, those that may wait for memory and those for userland among
/// them, and nobody hears of it. Which of them do is up to a [`Task`].
const SETTINGS: [(&str, &str); 13] = [
    ("failslab/ignore-gfp-wait", "N"),
    ("failslab/task-filter", "Y"),
    ("failslab/times", "-1"),
    ("failslab/probability", "100"),
    ("failslab/verbose", "0"),
    ("fail_page_alloc/ignore-gfp-wait", "N"),
    ("fail_page_alloc/ignore-gfp-highmem", "N"),
    ("fail_page_alloc/min-order", "0"),
    ("fail_page_alloc/task-filter", "Y"),
    ("fail_page_alloc/times", "-1"),
    ("fail_page_alloc/probability", "100"),
    ("fail_page_alloc/verbose", "0"),
    ("fail_usercopy/verbose", "0"),
];

/// Whether the kernel was booted so as to know which allocations are kmemleak's own: one for each
/// other, and nobody's failure. If not they fail, too, and all takes twice as long.
fn kmemleak_is_told_apart() -> bool {
    let may_fail = |cache| {
        let path = format!("/sys/kernel/slab/{cache}/failslab");
        matches!(fs::read_to_string(path), Ok(text) if text == "1\n")
    };
    may_fail("dentry") && !may_fail("kmemleak_object")
}

fn set_up() {
    let of_caches = if kmemleak_is_told_apart() { "Y" } else { "N" };
    for (file, value) in SETTINGS
        .into_iter()
        .chain([("failslab/cache-filter", of_caches)])
    {
        let path = format!("{FOLDER}/{file}");
        fs::write(&path, value).unwrap_or_else(|error| {
            panic!("{path}: {error}; faults need a kernel that injects them: VARIANT=debug")
        });
    }
    // A page of our own that the kernel brings into memory is not what is to fail.
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE).expect("mlockall(2) failed");
}

/// What is to fail of what a task does.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// This fault point, counted from 1.
    Nth(u32),
    /// All that are allocations.
    EveryAllocation,
}

/// A task whose fault points can be made to fail.
pub struct Task {
    fail_nth: File,
    make_it_fail: File,
}

impl Task {
    /// The thread that calls this, which is to be the only one to use it.
    pub fn this_thread() -> Task {
        Task::of("thread-self")
    }

    /// A kernel thread.
    pub fn kernel_thread(name: &str) -> Task {
        let processes = fs::read_dir("/proc").expect("no /proc").flatten();
        let found = processes.map(|process| process.path()).find(|path| {
            matches!(fs::read_to_string(path.join("comm")), Ok(comm) if comm.trim_end() == name)
        });
        let path = found.unwrap_or_else(|| panic!("there is no kernel thread {name}"));
        Task::of(&path.file_name().unwrap().to_string_lossy())
    }

    fn of(folder: &str) -> Task {
        static SET_UP: Once = Once::new();
        SET_UP.call_once(set_up);
        let open = |file| {
            let path = format!("/proc/{folder}/{file}");
            let opened = OpenOptions::new().read(true).write(true).open(&path);
            opened.unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        Task {
            fail_nth: open("fail-nth"),
            make_it_fail: open("make-it-fail"),
        }
    }

    /// Calls `call` and has the task fail meanwhile; whether it came to that. Of allocations that all
    /// fail nobody knows whether there were any.
    pub fn fails_while<T>(&self, which: Which, call: impl FnOnce() -> T) -> (T, Option<bool>) {
        match which {
            Which::Nth(nth) => {
                let (result, left) = self.count_down(nth, call);
                (result, Some(left == 0))
            }
            Which::EveryAllocation => {
                write(&self.make_it_fail, "1").expect("make-it-fail");
                let result = call();
                write(&self.make_it_fail, "0").expect("make-it-fail");
                (result, None)
            }
        }
    }

    /// How many fault points `call` has.
    pub fn points_of<T>(&self, call: impl FnOnce() -> T) -> u32 {
        let many = 1_000_000;
        many - self.count_down(many, call).1
    }

    fn count_down<T>(&self, from: u32, call: impl FnOnce() -> T) -> (T, u32) {
        let text = from.to_string();
        write(&self.fail_nth, &text).expect("fail-nth");
        let result = call();
        let left = self.left();
        // What is left may fail this very write, and is used up by that.
        while write(&self.fail_nth, "0") == Err(Errno::EFAULT) {}
        (result, left)
    }

    /// How many fault points there are to the one that fails; 0 if it has.
    fn left(&self) -> u32 {
        let mut left = [0; 16];
        match pread(self.fail_nth.as_raw_fd(), &mut left, 0) {
            Ok(length) => {
                let text = std::str::from_utf8(&left[..length]).unwrap_or_default();
                let left = text.trim_end().parse();
                left.unwrap_or_else(|_| panic!("fail-nth: {text:?}"))
            }
            // It was this copy.
            Err(Errno::EFAULT) => 1,
            Err(error) => panic!("fail-nth: {error}"),
        }
    }
}

fn write(file: &File, text: &str) -> Result<(), Errno> {
    let written = file.write_at(text.as_bytes(), 0);
    written
        .map(|_| ())
        .map_err(|error| Errno::from_i32(error.raw_os_error().unwrap_or(0)))
}
