//! ksort: a write that fails adds nothing, a read that fails loses nothing, and `auto` needs no
//! memory.

use std::os::unix::io::AsRawFd;

use abi::ksort::*;
use nix::errno::Errno::{self, EFAULT};
use nix::unistd::read;
use tests::Node;

use crate::calls::{closes, open, opens, parameter, EITHER};
use crate::life::Subject;
use crate::table::Column;
use crate::trial::Trials;

const NODE: &str = "/dev/ksort";

const SUBJECT: Subject = Subject {
    name: "ksort",
    parameters: &["max_mib=3", "mode=640"],
    refused: None,
    node: Some(NODE),
    works: |module| {
        assert_eq!(module.parameter("max_mib"), "3");
        let node = open(NODE);
        assert_eq!(node.write(&[2, 0, 0, 0, 1, 0, 0, 0]), Ok(8));
        assert_eq!(node.read(8), Ok(vec![1, 0, 0, 0, 2, 0, 0, 0]));
    },
};

#[test]
fn ksort() {
    let mut trials = Trials::of(SUBJECT.name);
    SUBJECT.comes_and_goes(&mut trials);
    let module = SUBJECT.load();
    parameter(&mut trials, &module, "max_mib", ["3", "4"]);
    opens(&mut trials, &module, NODE, |_| ());
    closes(&mut trials, &module, NODE);
    writes(&mut trials);
    // Enough for `auto` to want memory.
    reads(&mut trials, KSORT_AUTO, 3_000, &[EFAULT]);
    reads(&mut trials, KSORT_HEAP, 100, &[EFAULT]);
    reads(&mut trials, KSORT_QUICK, 100, &[EFAULT]);
    reads(&mut trials, KSORT_RADIX, 3_000, EITHER);
    // Enough for two workers.
    reads(&mut trials, KSORT_PARALLEL, 20_000, EITHER);
    ioctls(&mut trials);
}

/// So many numbers in no order, and in order.
fn numbers(count: u32) -> (Vec<u8>, Vec<u8>) {
    let mut numbers: Vec<i32> = (0..count)
        .map(|n| n.wrapping_mul(0x9e37_79b9) as i32)
        .collect();
    let bytes = |numbers: &[i32]| numbers.iter().flat_map(|n| n.to_ne_bytes()).collect();
    let mixed = bytes(&numbers);
    numbers.sort_unstable();
    (mixed, bytes(&numbers))
}

/// To a set that has numbers, which must grow for more, and to one that was read, which gives way to
/// a new one.
fn writes(trials: &mut Trials) {
    let (mixed, sorted) = numbers(2_000);
    let (first, more) = mixed.split_at(400);
    let (_, first_sorted) = numbers(100);
    trials.each(Column::Write, |fault| {
        let node = open(NODE);
        assert_eq!(node.write(first), Ok(first.len()));
        let written = fault.hits(EITHER, || node.write(more));
        if written.is_err() {
            assert_eq!(node.read_from(0, 1 << 16).as_deref(), Ok(&first_sorted[..]));
            // That was read: it begins anew.
            assert_eq!(node.write(first), Ok(first.len()));
            assert_eq!(node.write(more), Ok(more.len()));
        }
        assert_eq!(node.read(1 << 16).as_deref(), Ok(&sorted[..]));
    });
    trials.each(Column::Write, |fault| {
        let node = open(NODE);
        assert_eq!(node.write(first), Ok(first.len()));
        assert_eq!(node.read(8).as_deref(), Ok(&first_sorted[..8]));
        if fault.hits(EITHER, || node.write(&mixed)).is_err() {
            assert_eq!(node.read(1 << 16).as_deref(), Ok(&first_sorted[8..]));
            assert_eq!(node.write(&mixed), Ok(mixed.len()));
        }
        assert_eq!(node.read(1 << 16).as_deref(), Ok(&sorted[..]));
    });
}

fn reads(trials: &mut Trials, algorithm: u32, count: u32, errors: &[Errno]) {
    let (mixed, sorted) = numbers(count);
    let mut buffer = vec![0; sorted.len()];
    trials.each(Column::Read, |fault| {
        let node = open(NODE);
        set_algorithm(&node, algorithm).unwrap();
        assert_eq!(node.write(&mixed), Ok(mixed.len()));
        let result = fault.hits(errors, || read(node.as_raw_fd(), &mut buffer));
        let length = result.unwrap_or_else(|_| {
            assert_eq!(node.position(), 0);
            read(node.as_raw_fd(), &mut buffer).unwrap()
        });
        assert_eq!(length, sorted.len());
        assert!(buffer == sorted, "not sorted");
        let stats = get_stats(&node).unwrap();
        assert_eq!(stats.elements, count.into());
        assert!(
            stats.algorithm == algorithm || algorithm == KSORT_AUTO,
            "{stats:?}"
        );
    });
}

/// A setting that could not be read is as it was.
fn ioctls(trials: &mut Trials) {
    type Get = fn(&Node) -> nix::Result<u32>;
    type Set = fn(&Node, u32) -> nix::Result<()>;
    let settings: [(Get, Set, [u32; 2]); 3] = [
        (get_type, set_type, [KSORT_I32, KSORT_U64]),
        (get_order, set_order, [KSORT_UP, KSORT_DOWN]),
        (get_algorithm, set_algorithm, [KSORT_AUTO, KSORT_RADIX]),
    ];
    let node = open(NODE);
    for (get, set, [old, new]) in settings {
        trials.each(Column::Ioctl, |fault| {
            assert_eq!(set(&node, old), Ok(()));
            let result = fault.hits(&[EFAULT], || set(&node, new));
            assert_eq!(get(&node), Ok(if result.is_ok() { new } else { old }));
        });
        trials.each(Column::Ioctl, |fault| {
            let result = fault.hits(&[EFAULT], || get(&node));
            assert_eq!(result.or_else(|_| get(&node)), Ok(new));
        });
    }
    trials.each(Column::Ioctl, |fault| {
        let result = fault.hits(&[EFAULT], || get_stats(&node));
        assert_eq!(
            result.or_else(|_| get_stats(&node)),
            Ok(ksort_stats::default())
        );
    });
}
