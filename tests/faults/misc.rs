//! The misc family: what fails changes nothing but the count of errors.

use std::io::SeekFrom;
use std::os::unix::io::AsRawFd;
use std::path::Path;

use abi::misc::{get_stats, misc_stats, reset_stats};
use nix::errno::Errno::{self, EFAULT, ENOMEM};
use nix::unistd::read;
use tests::transfer::Pipe;
use tests::{mode_of, until, Module, Node};

use crate::calls::{closes, open, opens, parameter, EITHER};
use crate::injection::Task;
use crate::life::Subject;
use crate::table::Column;
use crate::trial::Trials;

const FIRST: &[u8] = b"the first message";
const TOO_LONG: &[&str] = &[concat!(
    "initmsg=a-message-that-is-longer-than-128-bytes-",
    "--------------------------------------------------",
    "--------------------------------------------------",
)];

/// One of the family, and how a write of it may fail.
struct Member {
    subject: Subject,
    write_errors: &'static [Errno],
}

macro_rules! members {
    ($($name:ident $errors:expr, $parameters:expr;)*) => {$(
        #[test]
        fn $name() {
            const NODE: &str = concat!("/dev/", stringify!($name));
            let member = Member {
                subject: Subject {
                    name: stringify!($name),
                    parameters: &["initmsg=\"the first message\"", "mode=640"],
                    refused: Some(TOO_LONG),
                    node: Some(NODE),
                    works: |module| assert_whole(module, NODE),
                },
                write_errors: $errors,
            };
            member.fails(NODE, &$parameters);
        }
    )*};
}
members! {
    misc_mutex &[EFAULT], [];
    misc_spinlock &[EFAULT], ["buggy"];
    misc_rwlock &[EFAULT], [];
    misc_refcount EITHER, ["buggy"];
    misc_rcu EITHER, ["deferred"];
}

impl Member {
    fn fails(&self, path: &str, parameters: &[&str]) {
        let mut trials = Trials::of(self.subject.name);
        self.subject.comes_and_goes(&mut trials);
        let module = self.subject.load();
        self.opens(&mut trials, &module, path);
        closes(&mut trials, &module, path);
        reads(&mut trials, path);
        splices(&mut trials, path);
        writes(&mut trials, path, self.write_errors);
        ioctls(&mut trials, path);
        for name in parameters {
            parameter(&mut trials, &module, name, ["N", "Y"]);
        }
    }

    /// An open that fails was none, and its file has no reference to a message.
    fn opens(&self, trials: &mut Trials, module: &Module, path: &str) {
        let observer = open(path);
        let mut before = stats(&observer);
        opens(trials, module, path, |node| {
            let now = stats(&observer);
            let mut expected = before;
            if node.is_some() {
                expected.opens += 1;
                expected.references += u64::from(before.references > 0);
            }
            assert_eq!(now, expected);
            // The next one is that of the next trial.
            before.opens = now.opens + 1;
        });
    }
}

fn stats(node: &Node) -> misc_stats {
    get_stats(node).expect("MISC_GET_STATS failed")
}

#[track_caller]
fn assert_whole(module: &Module, path: &str) {
    assert_eq!(module.parameter("initmsg").as_bytes(), FIRST);
    assert_eq!(module.parameter("mode"), "0640");
    assert_eq!(mode_of(path), 0o640);
    let node = open(path);
    assert_eq!(node.read(200).as_deref(), Ok(FIRST));
    let expected = misc_stats {
        length: FIRST.len() as u64,
        bytes_read: FIRST.len() as u64,
        opens: 1,
        messages: 1,
        references: stats(&node).references,
        ..Default::default()
    };
    assert_eq!(stats(&node), expected);
}

/// A read that fails has read nothing, and the next one goes on in the same message.
fn reads(trials: &mut Trials, path: &str) {
    let writer = open(path);
    let mut buffer = [0; 200];
    trials.each(Column::Read, |fault| {
        writer.write(b"a message in two parts").unwrap();
        let node = open(path);
        assert_eq!(node.read(12).as_deref(), Ok(&b"a message in"[..]));
        writer.write(b"a newer one").unwrap();
        let mut expected = stats(&node);
        let result = fault.hits(&[EFAULT], || read(node.as_raw_fd(), &mut buffer));
        let length = result.unwrap_or_else(|_| {
            expected.errors += 1;
            assert_eq!(stats(&node), expected);
            assert_eq!(node.position(), 12);
            read(node.as_raw_fd(), &mut buffer).unwrap()
        });
        assert_eq!(&buffer[..length], b" two parts");
        expected.bytes_read += length as u64;
        assert_eq!(stats(&node), expected);
        assert_eq!(node.position(), 22);
    });
}

/// A splice that fails leaves the position, and puts nothing into the pipe.
fn splices(trials: &mut Trials, path: &str) {
    let node = open(path);
    let message = node.read(200).unwrap();
    trials.each(Column::Read, |fault| {
        let mut pipe = Pipe::new();
        node.seek(SeekFrom::Start(0)).unwrap();
        let result = fault.hits(&[ENOMEM], || pipe.splice_from(&node, 200));
        if result.is_err() {
            assert!(pipe.is_empty());
            assert_eq!(node.position(), 0);
            assert_eq!(pipe.splice_from(&node, 200), Ok(message.len()));
        }
        assert_eq!(pipe.take(message.len()), message);
    });
}

/// A write that fails leaves the message that was there, and no other in memory.
fn writes(trials: &mut Trials, path: &str, errors: &[Errno]) {
    let texts = [&b"one message"[..], b"and then another"];
    let mut texts = texts.iter().cycle();
    let node = open(path);
    let mut last: &[u8] = b"the one before";
    node.write(last).unwrap();
    trials.each(Column::Write, |fault| {
        let next = texts.next().unwrap();
        let mut expected = stats(&node);
        let result = fault.hits(errors, || node.write(next));
        let now = stats(&node);
        match result {
            Ok(length) => {
                last = next;
                assert_eq!(length, next.len());
                expected.generation += 1;
                expected.length = length as u64;
                expected.bytes_written += length as u64;
                // This file may keep an older one.
                expected.messages = now.messages;
            }
            Err(_) => expected.errors += 1,
        }
        assert_eq!(now, expected);
        assert_eq!(open(path).read(200).as_deref(), Ok(last));
        assert_eq!(node.write(last), Ok(last.len()));
    });
    drop(node);
    until("only the current message is in memory", || {
        stats(&open(path)).messages == 1
    });
}

fn ioctls(trials: &mut Trials, path: &str) {
    let node = open(path);
    trials.each(Column::Ioctl, |fault| {
        let mut expected = stats(&node);
        match fault.hits(&[EFAULT], || get_stats(&node)) {
            Ok(stats) => assert_eq!(stats, expected),
            Err(_) => expected.errors += 1,
        }
        assert_eq!(stats(&node), expected);
    });
    trials.each(Column::Ioctl, |fault| {
        fault
            .hits(&[], || reset_stats(&node))
            .expect("nothing that can fail");
        assert_eq!(stats(&node).errors, 0);
    });
}

/// The kernel makes nodes in a thread of its own, and loads the module even if that failed.
#[test]
fn a_node_that_could_not_be_made_harms_nobody() {
    const NODE: &str = "/dev/misc_mutex";
    let subject = Subject {
        name: "misc_mutex",
        parameters: &[],
        refused: None,
        node: Some(NODE),
        works: |module| {
            if Path::new(NODE).exists() {
                assert_eq!(open(NODE).write(b"message"), Ok(7));
            }
            assert_eq!(module.references(), 0);
        },
    };
    let mut trials = Trials::of("misc_mutex: kdevtmpfs");
    let mut module = subject.load();
    let task = Task::kernel_thread("kdevtmpfs");
    subject.insmod(1, &task, &[], &mut trials, &mut module);
    assert_eq!(open(NODE).write(b"message"), Ok(7));
}
