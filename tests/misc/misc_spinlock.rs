//! misc_spinlock: the device guarded by a spin lock.

mod family;

use std::fs;
use std::time::Duration;

use nix::errno::Errno;
use tests::{write_at, Gibibyte, Module};

use family::hammer::hammer;
use family::node::{current, load, set, Node};
use family::{HoldsUp, Member};

const MEMBER: Member = Member {
    name: "misc_spinlock",
    opener_keeps_message: false,
    slow_reader_holds_up: HoldsUp {
        readers: false,
        writers: false,
    },
    slow_writer_holds_up: HoldsUp {
        readers: false,
        writers: false,
    },
};

/// A debug kernel has said what is wrong with `buggy`; any other has nothing to say of it.
fn expect_complaint_of_a_debug_kernel(module: &mut Module) {
    let symbols = fs::read_to_string("/proc/kallsyms").expect("/proc/kallsyms");
    // Of CONFIG_DEBUG_ATOMIC_SLEEP.
    if symbols.lines().any(|line| line.ends_with(" __might_sleep")) {
        let said = module.expect_complaint("BUG: sleeping function called from invalid context");
        assert!(said.contains("(misc_spinlock){"), "{said}");
    }
}

#[test]
fn buggy_is_off_unless_told_otherwise_and_can_be_switched() {
    let mut module = load(&[]);
    assert_eq!(module.parameter("buggy"), "N");
    module.set_parameter("buggy", "1").unwrap();
    set(b"with the bug");
    module.set_parameter("buggy", "0").unwrap();
    assert_eq!(current(), b"with the bug");
    expect_complaint_of_a_debug_kernel(&mut module);
    set(b"without");
    assert_eq!(current(), b"without");
}

#[test]
fn with_the_bug_all_seems_to_work() {
    let mut module = hammer(&["buggy=1"], Duration::from_secs(1), |_| {});
    expect_complaint_of_a_debug_kernel(&mut module);
}

/// Who must not sleep cannot wait for a page either.
#[test]
fn with_the_bug_a_good_pointer_is_efault_while_its_page_is_not_in_memory() {
    let mut module = load(&["initmsg=stays"]);
    let node = Node::open();
    let mut untouched = Gibibyte::new();
    let address = untouched.bytes().as_ptr() as usize + Gibibyte::LENGTH / 2;

    module.set_parameter("buggy", "1").unwrap();
    let written = node.counts(|stats| stats.errors += 1, || write_at(&node, address, 4));
    assert_eq!(written, Err(Errno::EFAULT));
    assert_eq!(current(), b"stays");
    module.set_parameter("buggy", "0").unwrap();
    expect_complaint_of_a_debug_kernel(&mut module);

    assert_eq!(write_at(&node, address, 4), Ok(4));
    assert_eq!(current(), [0; 4]);
}
