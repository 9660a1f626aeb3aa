//! The detectors of a debug kernel are awake: each looks, and those for which there is a module
//! with a fault find it.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};

use tests::{lock_classes, lockdep_is_on, path_of, Module};

/// Files that begin with a number, which is not 0 while the detector looks.
const SWITCHES: [&str; 7] = [
    "/proc/sys/kernel/hung_task_timeout_secs",
    "/proc/sys/kernel/soft_watchdog",
    "/sys/kernel/slab/kmalloc-1k/poison",
    "/sys/kernel/slab/kmalloc-1k/red_zone",
    "/sys/kernel/slab/kmalloc-1k/sanity_checks",
    "/sys/kernel/slab/kmalloc-1k/store_user",
    "/sys/module/workqueue/parameters/watchdog_thresh",
];

/// Functions that are in the kernel if the detector is, which cannot be switched off.
const FUNCTIONS: [&str; 6] = [
    "__list_add_valid",
    "__might_sleep",
    "__ubsan_handle_out_of_bounds",
    "debug_smp_processor_id",
    "kasan_report",
    "lockdep_rcu_suspicious",
];

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}; VARIANT=debug"))
}

#[track_caller]
fn load(name: &'static str, parameter: &str) -> Module {
    Module::load(name, &[parameter]).unwrap_or_else(|error| panic!("{name} {parameter}: {error}"))
}

#[test]
fn all_are_in_the_kernel_and_switched_on() {
    // What the scan says fails this test.
    let _module = load("lockdep_lesson", "lesson=one_order");
    assert!(lockdep_is_on(), "lockdep");
    for path in SWITCHES {
        let value = read(path);
        let number: u64 = (value.trim().parse()).unwrap_or_else(|_| panic!("{path}: {value}"));
        assert!(number > 0, "{path}: {value}");
    }
    let symbols = read("/proc/kallsyms");
    for function in FUNCTIONS {
        let end = format!(" {function}");
        assert!(
            symbols.lines().any(|line| line.ends_with(&end)),
            "{function}"
        );
    }
    // Each module has to be compiled for these.
    let module = path_of("lkm_test");
    let code = fs::read(&module).unwrap();
    for call in ["__asan_", "__ubsan_handle_"] {
        let found = code
            .windows(call.len())
            .any(|bytes| bytes == call.as_bytes());
        assert!(found, "no {call} in {}", module.display());
    }
    // Once it has run out of memory, it has none of these any more.
    let objects = read("/sys/kernel/debug/debug_objects/stats");
    let used = objects.lines().find(|line| line.starts_with("pool_used"));
    let used = used.and_then(|line| line.split_once(':')?.1.parse().ok());
    assert!(used > Some(0), "{objects}");
    // It takes no commands once it has given up.
    fs::write("/sys/kernel/debug/kmemleak", "scan").expect("kmemleak");
}

/// Those of lockdep_lesson, in order. One without a name is called after its place.
fn lessons() -> Vec<String> {
    let mut classes = lock_classes();
    classes.retain(|class| class.contains("lesson"));
    for class in &mut classes {
        if class.contains("/lockdep_lesson.rs:") {
            *class = "its place".to_owned();
        }
    }
    classes.sort();
    classes
}

#[test]
fn each_place_that_makes_locks_is_a_class_with_a_name_until_the_module_is_gone() {
    // Again: what is left of one round has a number behind its name in the next.
    for _ in 0..3 {
        let module = load("lockdep_lesson", "lesson=classes");
        let expected = [
            "its place",
            "lesson_loop",
            "lesson_mutex",
            "lesson_place",
            "lesson_place#2",
            "lesson_rcu_pointer",
            "lesson_rwsem",
            "lesson_semaphore",
            "lesson_spinlock",
            "lesson_spinlock_irq",
            "lesson_timer",
            "lesson_wait_queue",
            "lesson_work",
        ];
        assert_eq!(lessons(), expected);
        drop(module);
        assert_eq!(lessons(), [""; 0]);
    }
}

/// How often a lock of this class was taken, as the kernel counts.
fn acquisitions(class: &str) -> u64 {
    let statistics = read("/proc/lock_stat");
    let row = statistics
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(class)?.strip_prefix(':'));
    // Of a class that nobody has used, there is none; Documentation/locking/lockstat.rst has the
    // columns.
    row.map_or(0, |row| {
        let column = row.split_whitespace().nth(7);
        let number = column.and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("{statistics}"))
    })
}

#[test]
fn misc_rcu_has_its_lock_counted_for_writers_and_none_for_readers() {
    const COUNTS: &str = "/proc/sys/kernel/lock_stat";
    let _module = load("misc_rcu", "initmsg=old");
    let open = || File::options().read(true).write(true).open("/dev/misc_rcu");
    let mut node = open().unwrap();
    fs::write(COUNTS, "1").unwrap();
    fs::write("/proc/lock_stat", "0").unwrap();
    for _ in 0..100 {
        let mut message = String::new();
        node.rewind().unwrap();
        node.read_to_string(&mut message).unwrap();
        assert_eq!(message, "old");
    }
    drop(open().unwrap());
    let for_readers = acquisitions("misc_rcu");
    for _ in 0..10 {
        assert_eq!(node.write(b"new").unwrap(), 3);
    }
    let for_writers = acquisitions("misc_rcu");
    fs::write(COUNTS, "0").unwrap();
    assert_eq!((for_readers, for_writers), (0, 10));

    // The other one is that of an open file; and the kernel has one for all misc devices.
    let mut classes = lock_classes();
    classes.retain(|class| class.starts_with("misc_") && class != "misc_mtx");
    classes.sort();
    assert_eq!(classes, ["misc_page", "misc_rcu"]);
}
