//! lkm: what the crate promises to any module, tried by tests/modules/lkm_test.rs.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::io::AsRawFd;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags};
use tests::transfer::{aio, epoll_add, part, part_mut, readv, writev, Aio, Pipe};
use tests::{
    ioctl_at, leaks_on_purpose, modinfo, rounds, until, EdgeOfMemory, Module, Node, UNMAPPED,
};

#[path = "lkm/cpus.rs"]
mod cpus;
#[path = "lkm/sorting.rs"]
mod sorting;

const NODE: &str = "/dev/lkm_test";

fn load(case: &str) -> Module {
    Module::load("lkm_test", &[&format!("case={case}")])
        .unwrap_or_else(|error| panic!("case {case}: {error}; see the log"))
}

fn open() -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).open(NODE)
}

fn open_node() -> Node {
    Node::open(NODE, OpenOptions::new().read(true).write(true))
}

fn errno<T>(result: std::io::Result<T>) -> Option<Errno> {
    result
        .err()
        .and_then(|error| error.raw_os_error())
        .map(Errno::from_i32)
}

#[test]
fn locks_exclude() {
    load("locks");
}

#[test]
fn queues_keep_order_and_bounds() {
    load("queues");
}

#[test]
fn values_have_their_limits() {
    let mut module = load("values");
    let lines = module.lines();
    assert_eq!(lines[0].text, r"lkm_test: tab\x09here is EINVAL");
}

#[test]
fn names_that_are_too_long_are_refused() {
    load("name_too_long");
}

#[test]
fn lines_that_are_too_long_are_cut() {
    let mut module = Module::load("lkm_test", &["case=long_lines", "dyndbg=+p"]).unwrap();
    let lines = module.lines();
    let (short, long) = lines[..15].split_last().unwrap();
    assert_eq!(short.text, "lkm_test: short");
    let starts = long.iter().map(|line| {
        assert!(line.text.len() > 900, "{line:?}");
        &line.text[..13]
    });
    let starts: Vec<&str> = starts.collect();
    let (padded, others) = starts.split_at(12);
    assert_eq!(padded, ["lkm_test: |  "; 12]);
    assert_eq!(others, ["lkm_test: \u{20ac}", "lkm_test: nev"]);
}

#[test]
fn a_handle_that_is_dropped_cancels_and_waits() {
    load("drop_while_running");
}

#[test]
fn unloading_stops_everything_that_runs() {
    for _ in rounds(20) {
        let mut module = load("everything");
        assert_eq!(module.remove(), Ok(()));
        assert!(!Path::new(NODE).exists());
    }
}

/// Whoever does not stop what is armed must not arm it, and only lkm's `module!` sees to both.
#[test]
fn nothing_is_armed_before_the_module_has_begun() {
    let mut module = Module::load("not_begun", &[]).unwrap();
    let said: Vec<String> = module.lines().into_iter().map(|line| line.text).collect();
    assert_eq!(
        said,
        [
            "not_begun: stopped 1, added 0",
            "not_begun: stopped 0, added 1",
            "not_begun: stopped 1, quiesced 2",
        ]
    );
}

/// Timers of 1 ms and 50 us, and all that they set going, are leaked by safe code. If one of them
/// were left, it would call into freed memory many times in the pause.
#[test]
fn leaked_handles_do_not_outlive_the_module() {
    leaks_on_purpose(|| {
        for _ in rounds(20) {
            let mut module = load("leak");
            assert!(Path::new(NODE).exists());
            assert_eq!(module.remove(), Ok(()));
            assert!(!Path::new(NODE).exists());
            thread::sleep(Duration::from_millis(20));
        }
    });
}

#[test]
fn leaked_handles_do_not_outlive_an_init_that_fails() {
    leaks_on_purpose(|| {
        let mut module = Module::unloaded("lkm_test");
        for _ in rounds(20) {
            let refused = module.insert(&["case=leak_and_fail"]);
            assert_eq!(refused, Err(Errno::ENODEV));
            assert!(!Path::new(NODE).exists());
            thread::sleep(Duration::from_millis(20));
        }
    });
}

#[test]
fn an_init_that_fails_waits_for_those_who_have_opened_its_node() {
    let loader = thread::spawn(|| Module::load("lkm_test", &["case=fail_with_opener"]).err());
    // Other tests have this node, too: wait for the loader's turn.
    let case = "/sys/module/lkm_test/parameters/case";
    until(
        "it is the loader's turn",
        || matches!(std::fs::read_to_string(case), Ok(case) if case == "fail_with_opener\n"),
    );
    let mut file = None;
    until("the node is there", || {
        file = open().ok();
        file.is_some()
    });
    let mut file = file.expect("just opened");
    until("the node is gone again", || !Path::new(NODE).exists());
    assert_eq!(file.write(b"still here").ok(), Some(10));
    assert!(
        !loader.is_finished(),
        "the module is gone while its file is open"
    );
    drop(file);
    assert_eq!(loader.join().expect("no panic"), Some(Errno::ENODEV));
}

#[test]
fn what_sleeps_is_refused_in_an_interrupt() {
    leaks_on_purpose(|| {
        let mut module = load("sleep_in_interrupt");
        let refused = "lkm_test: refused: Err(EDEADLK) Err(ENOMEM) Some(ENOMEM)";
        let lines = module.lines();
        assert!(lines.iter().any(|line| line.text == refused), "{lines:?}");
        let refused = "lkm_test: refused a mutex: true";
        assert!(lines.iter().any(|line| line.text == refused), "{lines:?}");
        module.expect_refusal("lkm: an interrupt handler tried to ");
        assert_eq!(module.remove(), Ok(()));
        let counted = "lkm_test: 1 handle was dropped where one must not sleep, and leaked";
        let lines = module.lines();
        assert!(lines.iter().any(|line| line.text == counted), "{lines:?}");
        thread::sleep(Duration::from_millis(20));
    });
}

#[test]
fn handles_that_leak_are_counted_for_who_unloads_the_module() {
    leaks_on_purpose(|| {
        let mut module = load("drop_with_irqs_off");
        module.expect_refusal("lkm: a thread tried to sleep in atomic context");
        assert_eq!(module.remove(), Ok(()));
        let lines = module.lines();
        let counted = "lkm_test: 3 handles were dropped where one must not sleep, and leaked";
        assert_eq!(lines.last().map(|line| line.text.as_str()), Some(counted));
        assert_eq!(lines.last().map(|line| line.level), Some(4));
        drop(module);

        let mut module = load("locks");
        assert_eq!(module.remove(), Ok(()));
        let lines = module.lines();
        let counts = lines.iter().any(|line| line.text.ends_with(" and leaked"));
        assert!(!counts, "nothing leaked: {lines:?}");
    });
}

#[test]
fn nodes_neither_come_nor_go_while_one_is_opened() {
    leaks_on_purpose(|| {
        let mut module = load("registers_in_open");
        drop(open().expect("the node opens"));
        let said = "lkm_test: in open: Some(EDEADLK), true";
        let lines = module.lines();
        assert!(lines.iter().any(|line| line.text == said), "{lines:?}");
        // It was leaked, and works on, for as long as the module is there.
        let other = File::open("/dev/lkm_test_other").expect("the other node opens");
        assert_eq!(module.remove(), Err(Errno::EWOULDBLOCK));
        drop(other);
        assert_eq!(module.remove(), Ok(()));
        assert!(!Path::new("/dev/lkm_test_other").exists());
    });
}

#[test]
fn an_open_file_keeps_the_module() {
    let mut module = load("everything");
    let file = open().expect("the node opens");
    assert_eq!(module.remove(), Err(Errno::EWOULDBLOCK));
    drop(file);
    assert_eq!(module.remove(), Ok(()));
}

#[test]
fn user_memory_is_copied_within_its_bounds() {
    let mut module = load("everything");
    let mut file = open().expect("the node opens");
    assert_eq!(file.write(b"abcdefgh").ok(), Some(8));
    assert_eq!(file.write(b"abcdefghijklmnop").ok(), Some(16));
    assert_eq!(errno(file.write(&[0; 17])), Some(Errno::EMSGSIZE));
    assert_eq!(file.write(b"").ok(), Some(0));
    let messages: Vec<String> = module.lines().into_iter().map(|line| line.text).collect();
    assert!(messages.contains(&"lkm_test: message of 8 bytes, from Some(97) to Some(104)".into()));
    assert!(messages.contains(&"lkm_test: message of 0 bytes, from None to None".into()));

    let mut bytes = [0; 10];
    assert_eq!(file.read(&mut bytes).ok(), Some(8));
    assert_eq!(&bytes, b"xxxxxxxx\0\0");
    let mut bytes = [0; 5];
    assert_eq!(file.read(&mut bytes[..4]).ok(), Some(4));
    assert_eq!(&bytes, b"xxxx\0", "nothing is written past the end");
}

#[test]
fn a_bad_pointer_is_efault_both_ways() {
    let _module = load("everything");
    let file = open().expect("the node opens");
    for address in [8usize, usize::MAX - 100, 0xffff_8000_0000_0000] {
        let bad = address as *mut libc::c_void;
        // SAFETY: no memory of this program is at these addresses.
        let (read, write) = unsafe {
            let read = Errno::result(libc::read(file.as_raw_fd(), bad, 8));
            (read, Errno::result(libc::write(file.as_raw_fd(), bad, 8)))
        };
        assert_eq!((read, write), (Err(Errno::EFAULT), Err(Errno::EFAULT)));
    }
}

#[test]
fn a_kernel_thread_has_no_user_memory_to_fault_in() {
    let _module = load("everything");
    let file = open().expect("the node opens");
    let mut bytes = [0u8; 8];
    // SAFETY: the ioctl's argument is a buffer of 8 bytes.
    let refused = unsafe { libc::ioctl(file.as_raw_fd(), 0x4c01, bytes.as_mut_ptr()) };
    assert_eq!(refused, 1);
    // SAFETY: an ioctl that there is not.
    let unknown = Errno::result(unsafe { libc::ioctl(file.as_raw_fd(), 0x4c03, 0) });
    assert_eq!(unknown, Err(Errno::ENOTTY));
}

#[test]
fn user_memory_is_refused_with_interrupts_off() {
    let mut module = load("everything");
    let file = open().expect("the node opens");
    let mut bytes = [0u8; 8];
    // SAFETY: the ioctl's argument is a buffer of 8 bytes.
    let refused = unsafe { libc::ioctl(file.as_raw_fd(), 0x4c02, bytes.as_mut_ptr()) };
    assert_eq!((refused, bytes), (1, [0; 8]));
    module.expect_refusal("lkm: a thread tried to sleep in atomic context");
}

#[test]
fn what_a_vector_or_a_pipe_brings_is_refused_with_interrupts_off_too() {
    let mut module = load("everything");
    let node = open_node();
    let mut bytes = [0; 101];
    let (one, two) = bytes.split_at_mut(50);
    let parts = [part_mut(one), part_mut(two)];
    assert_eq!(readv(&node, &parts, None), Err(Errno::EFAULT));
    assert_eq!(writev(&node, &parts, None), Err(Errno::EFAULT));
    assert_eq!(bytes, [0; 101]);
    let pipe = Pipe::of(&[b'x'; 101]);
    assert_eq!(pipe.splice_to(&node, 101), Err(Errno::EFAULT));
    assert_eq!(pipe.len(), 101);
    assert_eq!(Pipe::new().splice_from(&node, 101), Err(Errno::EFAULT));
    module.expect_refusal("lkm: a thread tried to sleep in atomic context");
}

/// Pages of the kernel's may have anything else in them.
#[test]
fn a_pipe_is_given_what_a_device_has_written_and_not_what_it_says() {
    let _module = load("everything");
    let node = open_node();
    assert_eq!(node.read(100).map(|bytes| bytes.len()), Ok(100));
    let mut pipe = Pipe::new();
    for _ in 0..3 {
        assert_eq!(pipe.splice_from(&node, 100), Ok(8));
        assert_eq!((pipe.len(), pipe.take(8)), (8, b"xxxxxxxx".to_vec()));
    }
    let mut bytes = [0; 100];
    let (one, two) = bytes.split_at_mut(3);
    assert_eq!(readv(&node, &[part_mut(one), part_mut(two)], None), Ok(8));
    assert_eq!(&bytes[..9], b"xxxxxxxx\0");
    // Nor does it help to have it written elsewhere.
    assert_eq!(pipe.splice_from(&node, 103), Ok(2));
    assert_eq!(pipe.take(2), b"xy");
}

#[test]
fn a_spin_lock_may_be_held_whatever_is_written_to() {
    let _module = load("everything");
    let node = open_node();
    let mut pipe = Pipe::new();
    assert_eq!(pipe.splice_from(&node, 102), Ok(8));
    assert_eq!(pipe.take(8), b"xxxxxxxx");
    // Pages that nobody has touched, of which the first part has the last byte.
    let edge = EdgeOfMemory::of_pages(2);
    let page = edge.before_the_edge(4096);
    let parts = [(page - 1, 1), (page, 101)];
    let mut got = 0;
    while got < 8 {
        got += readv(&node, &parts, None).expect("readv(2)");
    }
    assert_eq!(readv(&node, &[(UNMAPPED, 102)], None), Err(Errno::EFAULT));
    assert_eq!(
        node.read(102).as_deref().map(|bytes| &bytes[..8]),
        Ok(&b"xxxxxxxx"[..])
    );
}

/// As in C: what a device has no function for, the kernel answers.
#[test]
fn an_operation_that_a_device_does_not_name_is_not_there() {
    leaks_on_purpose(|| {
        let _module = load("registers_in_open");
        let node = open_node();
        let mut byte = [0];
        for length in [0, 1] {
            let bytes = &mut byte[..length];
            assert_eq!(node.read(length), Err(Errno::EINVAL));
            assert_eq!(node.write(bytes), Err(Errno::EINVAL));
            assert_eq!(readv(&node, &[part_mut(bytes)], None), Err(Errno::EINVAL));
            assert_eq!(writev(&node, &[part(bytes)], None), Err(Errno::EINVAL));
            assert_eq!(
                aio(&node, Aio::Read, part_mut(bytes), 0),
                Err(Errno::EINVAL)
            );
            assert_eq!(aio(&node, Aio::Write, part(bytes), 0), Err(Errno::EINVAL));
        }
        assert_eq!(Pipe::new().splice_from(&node, 1), Err(Errno::EINVAL));
        assert_eq!(Pipe::of(b"x").splice_to(&node, 1), Err(Errno::EINVAL));
        assert_eq!(ioctl_at(&node, 0x4c02, UNMAPPED), Err(Errno::ENOTTY));
        assert_eq!(epoll_add(&node), Err(Errno::EPERM));
        let both = PollFlags::POLLIN | PollFlags::POLLOUT;
        let mut fds = [PollFd::new(node.as_raw_fd(), both)];
        assert_eq!(poll(&mut fds, 0), Ok(1));
        assert_eq!(fds[0].revents(), Some(both));
    });
}

#[test]
fn parameters_take_what_their_type_and_range_allow() {
    let module = Module::load("lkm_test", &["flag", "small=0xff", "signed=-5", "large=0"])
        .expect("good values");
    assert_eq!(module.parameter("flag"), "Y");
    assert_eq!(module.parameter("small"), "255");
    assert_eq!(module.parameter("signed"), "-5");
    assert_eq!(module.parameter("large"), "0");

    for (name, good) in [
        ("flag", "n"),
        ("small", "0"),
        ("signed", "5"),
        ("large", "18446744073709551615"),
    ] {
        assert_eq!(module.set_parameter(name, good), Ok(()), "{name}");
    }
    for (name, bad) in [
        ("flag", "maybe"),
        ("small", "256"),
        ("small", "-1"),
        ("signed", "6"),
        ("signed", "-6"),
        ("signed", "1e3"),
        ("large", "18446744073709551616"),
        ("large", "x"),
    ] {
        assert_eq!(
            module.set_parameter(name, bad),
            Err(Errno::EINVAL),
            "{name}"
        );
    }
    assert_eq!(module.parameter("flag"), "N");
    assert_eq!(module.parameter("small"), "0");
    assert_eq!(module.parameter("signed"), "5");
    assert_eq!(module.parameter("large"), "18446744073709551615");
}

#[test]
fn a_string_is_utf8_of_at_most_1023_bytes() {
    let long = "x".repeat(1024);
    for bad in [format!("case={long}"), "case".into()] {
        assert_eq!(Module::load("lkm_test", &[&bad]).err(), Some(Errno::EINVAL));
    }
    let refused = Module::load("lkm_test", &[&format!("case={}", &long[1..])]);
    assert_eq!(
        refused.err(),
        Some(Errno::EINVAL),
        "init knows no such case"
    );
}

#[test]
fn modinfo_names_the_type_of_each_parameter() {
    let info = modinfo("lkm_test");
    for (name, kind) in [
        ("case", "charp"),
        ("flag", "bool"),
        ("small", "byte"),
        ("signed", "long"),
        ("large", "ullong"),
    ] {
        let entry = format!("parmtype={name}:{kind}");
        assert!(info.contains(&entry), "{entry:?} in {info:?}");
    }
}
