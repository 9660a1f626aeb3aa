//! percpu_counter: a write that fails counts nothing; threads are all there or none is.

use std::os::unix::io::AsRawFd;

use abi::percpu_counter::{get_cpu, get_total, percpu_counter_total, reset};
use nix::errno::Errno::{EAGAIN, EFAULT, ENOMEM};
use nix::unistd::read;
use tests::{cpus_of_threads, online_cpus, until, Node};

use crate::calls::{closes, open, opens, parameter};
use crate::injection::Task;
use crate::life::Subject;
use crate::table::Column;
use crate::trial::Trials;

const NODE: &str = "/dev/percpu_counter";

const SUBJECT: Subject = Subject {
    name: "percpu_counter",
    parameters: &["step_ms=1"],
    refused: None,
    node: Some(NODE),
    works: |module| {
        assert_eq!(module.parameter("step_ms"), "1");
        let node = open(NODE);
        assert_eq!(node.write(b"123"), Ok(3));
        assert_eq!(total(&node).bytes, 3);
        for cpu in online_cpus() {
            until("each CPU's thread counts", || {
                get_cpu(&node, cpu as u32).unwrap().events > 1
            });
        }
    },
};

fn total(node: &Node) -> percpu_counter_total {
    get_total(node).expect("PERCPU_COUNTER_GET_TOTAL failed")
}

#[test]
fn percpu_counter() {
    let mut trials = Trials::of(SUBJECT.name);
    SUBJECT.comes_and_goes(&mut trials);
    let mut module = SUBJECT.load();
    // Who asks for the threads, for each CPU on that CPU, and who makes them.
    // The latter says EAGAIN if there is no memory for a thread.
    for (name, errors) in [("cpuhp/0", &[ENOMEM][..]), ("kthreadd", &[ENOMEM, EAGAIN])] {
        let task = Task::kernel_thread(name);
        SUBJECT.insmod(1, &task, errors, &mut trials, &mut module);
    }
    module.remove().expect("nobody uses it");
    for cpu in online_cpus() {
        assert_eq!(cpus_of_threads(&format!("percpu_counter/{cpu}")), [""; 0]);
    }
    module.insert(SUBJECT.parameters).expect("it loads");
    parameter(&mut trials, &module, "step_ms", ["1", "2"]);
    module.reload(&["threads=0"]);
    opens(&mut trials, &module, NODE, |_| ());
    closes(&mut trials, &module, NODE);
    let node = open(NODE);
    reads(&mut trials, &node);
    writes(&mut trials, &node);
    ioctls(&mut trials, &node);
}

/// A read that fails leaves the position, and the table that the file is in the middle of.
fn reads(trials: &mut Trials, node: &Node) {
    let mut buffer = [0; 4096];
    let whole = node.read_from(0, 4096).unwrap();
    for start in [0, 10] {
        trials.each(Column::Read, |fault| {
            let node = open(NODE);
            assert_eq!(node.read(start).as_deref(), Ok(&whole[..start]));
            let result = fault.hits(&[EFAULT], || read(node.as_raw_fd(), &mut buffer));
            let length = result.unwrap_or_else(|_| {
                assert_eq!(node.position(), start as u64);
                read(node.as_raw_fd(), &mut buffer).unwrap()
            });
            assert_eq!(&buffer[..length], &whole[start..]);
        });
    }
}

/// A write is copied in pieces, each of which may fail.
fn writes(trials: &mut Trials, node: &Node) {
    let bytes = [b'x'; 1200];
    trials.each(Column::Write, |fault| {
        let mut expected = total(node);
        if fault.hits(&[EFAULT], || node.write(&bytes)).is_ok() {
            expected.events += 1;
            expected.bytes += 1200;
        }
        assert_eq!(total(node), expected);
        assert_eq!(node.write(b"1"), Ok(1));
    });
}

fn ioctls(trials: &mut Trials, node: &Node) {
    let expected = total(node);
    trials.each(Column::Ioctl, |fault| {
        let result = fault.hits(&[EFAULT], || get_total(node));
        assert_eq!(result.unwrap_or_else(|_| total(node)), expected);
    });
    let cpu = || get_cpu(node, 0);
    let expected = cpu().expect("PERCPU_COUNTER_GET_CPU failed");
    trials.each(Column::Ioctl, |fault| {
        let result = fault.hits(&[EFAULT], cpu);
        assert_eq!(result.or_else(|_| cpu()), Ok(expected));
    });
    trials.each(Column::Ioctl, |fault| {
        fault
            .hits(&[], || reset(node))
            .expect("nothing that can fail");
        assert_eq!(total(node).events, 0);
    });
}
