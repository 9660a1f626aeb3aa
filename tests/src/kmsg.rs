//! The kernel's log, read from `/dev/kmsg` record by record.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;

use crate::wait::holds_in_time;

/// How the kernel's complaints begin, in small letters.
const SPLATS: [&str; 22] = [
    "------------[ cut here ]",
    "bug",
    "[ bug",
    "kernel bug",
    "warning",
    "call trace",
    // Of lockdep, RCU and the watchdogs
    "debug_locks_warn_on",
    "info: possible ",
    "info: trying to register non-static key",
    "info: task ",
    "rcu: info: ",
    "watchdog: bug",
    "showing busy workqueues",
    // Of what looks at memory, and at the objects in it
    "ubsan:",
    "odebug:",
    "refcount_t:",
    "list_add corruption",
    "list_del corruption",
    "unable to handle kernel",
    "internal error:",
    "oops",
    "general protection fault",
];

/// What they say behind the name of a program or of a detector.
const SPLATS_BEHIND_A_NAME: [&str; 3] = [
    ": page allocation failure",
    " new suspected memory leaks",
    "memory leak detector disabled",
];

/// How complaints begin that are no part of another, unless they have a frame.
const BEGINNINGS: [&str; 8] = [
    "------------[ cut here ]",
    "bug: ",
    "info: task ",
    "info: trying to register non-static key",
    "rcu: info: ",
    "watchdog: bug",
    "unable to handle kernel",
    "general protection fault",
];

/// The most lines of a complaint that are shown.
const SHOWN: usize = 100;

/// One line of the kernel's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// 0 (KERN_EMERG) to 7 (KERN_DEBUG).
    pub level: u8,
    /// 0 for what the kernel says itself.
    pub facility: u32,
    pub sequence: u64,
    pub text: String,
}

impl Record {
    /// Parses `<facility and level>,<sequence>,<time>,<flags>;<text>`, as in
    /// Documentation/ABI/testing/dev-kmsg.
    fn parse(bytes: &[u8]) -> Option<Record> {
        let record = std::str::from_utf8(bytes).ok()?;
        let (prefix, rest) = record.split_once(';')?;
        let mut numbers = prefix.split(',');
        let priority: u32 = numbers.next()?.parse().ok()?;
        let sequence = numbers.next()?.parse().ok()?;
        // What follows the first line are `KEY=value` pairs.
        let text = rest.lines().next()?;
        Some(Record {
            level: (priority & 7) as u8,
            facility: priority >> 3,
            sequence,
            text: unescape(text)?,
        })
    }

    /// Whether the kernel complains of a fault here.
    fn is_splat(&self) -> bool {
        self.facility == 0 && (self.begins_with_one_of(&SPLATS) || self.holds_a_splat())
    }

    /// Whether it is one that is no part of the complaint above it.
    fn begins_a_complaint(&self) -> bool {
        self.facility == 0 && (self.begins_with_one_of(&BEGINNINGS) || self.holds_a_splat())
    }

    fn holds_a_splat(&self) -> bool {
        let mut splats = SPLATS_BEHIND_A_NAME.iter();
        splats.any(|splat| self.text.contains(splat))
    }

    /// Whether it begins so, in small or capital letters.
    fn begins_with_one_of(&self, words: &[&str]) -> bool {
        let text = self.text.trim_start().to_lowercase();
        words.iter().any(|words| text.starts_with(words))
    }

    /// Whether it is the line that many reports have above their first.
    fn is_frame(&self) -> bool {
        self.text.len() > 10 && self.text.bytes().all(|byte| byte == b'=')
    }
}

/// Where the first complaint in the log stands: from its frame on, as far as it goes.
fn first_splat(records: &[Record]) -> Option<Range<usize>> {
    let with_frame = |place: usize| place - usize::from(place > 0 && records[place - 1].is_frame());
    let place = records.iter().position(Record::is_splat)?;
    for (below, record) in records.iter().enumerate().skip(place + 1) {
        let framed = record.is_splat() && with_frame(below) != below;
        if framed || record.begins_a_complaint() {
            return Some(with_frame(place)..with_frame(below));
        }
        if record.text.starts_with("---[ end trace ") {
            return Some(with_frame(place)..below + 1);
        }
    }
    Some(with_frame(place)..records.len())
}

/// Whether the first complaint in the log, if there is one, has its trace: another CPU may be about
/// to write it.
fn is_whole(records: &[Record]) -> bool {
    first_splat(records).map_or(true, |splat| {
        let has = |words| {
            records[splat.clone()]
                .iter()
                .any(|record| record.begins_with_one_of(words))
        };
        let last = if has(&["------------[ cut here ]"]) {
            "---[ end trace "
        } else {
            "call trace"
        };
        splat.end < records.len() || has(&[last])
    })
}

fn text_of(records: &[Record]) -> String {
    let lines: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
    lines.join("\n")
}

/// The kernel writes whatever is not printable ASCII, and the backslash, as `\xHH`.
fn unescape(text: &str) -> Option<String> {
    let mut pieces = text.split("\\x");
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(piece[2..].as_bytes());
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// All that the kernel says from some moment on.
pub struct KernelLog {
    file: File,
    records: Vec<Record>,
    /// So many of them hold no complaint.
    innocent: usize,
    lost: bool,
}

impl KernelLog {
    /// The log from now on.
    pub fn from_now() -> KernelLog {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .expect("/dev/kmsg: cannot open; the tests run as root in the guest");
        file.seek(SeekFrom::End(0))
            .expect("/dev/kmsg: cannot seek to its end");
        KernelLog {
            file,
            records: Vec::new(),
            innocent: 0,
            lost: false,
        }
    }

    /// All records so far.
    pub fn records(&mut self) -> &[Record] {
        let mut buffer = [0; 8192];
        loop {
            match self.file.read(&mut buffer) {
                Ok(length) => {
                    let record = Record::parse(&buffer[..length]).unwrap_or_else(|| {
                        panic!(
                            "/dev/kmsg: {:?}",
                            String::from_utf8_lossy(&buffer[..length])
                        )
                    });
                    self.records.push(record);
                }
                Err(error) => match error.raw_os_error().map(Errno::from_i32) {
                    Some(Errno::EAGAIN) => return &self.records,
                    Some(Errno::EINTR) => {}
                    // Overwritten before it was read; the next read goes on behind the hole.
                    Some(Errno::EPIPE) => self.lost = true,
                    _ => panic!("/dev/kmsg: {error}"),
                },
            }
        }
    }

    /// From here on they are not known to be innocent: the last that is may be a frame.
    fn first_new(&self) -> usize {
        self.innocent.saturating_sub(1)
    }

    fn new_records(&mut self) -> &[Record] {
        self.records();
        &self.records[self.first_new()..]
    }

    /// What is wrong in the log: a complaint of the kernel, with what stands below it, or that it
    /// was not read fast enough to say so.
    pub fn complaint(&mut self) -> Option<String> {
        // Not all have a trace: without one, what came in that time is all there is.
        holds_in_time(|| is_whole(self.new_records()));
        // Not read again: what has come since may be half of another.
        let new = &self.records[self.first_new()..];
        if let Some(splat) = first_splat(new) {
            let shown = splat.start..new.len().min(splat.start + SHOWN);
            return Some(format!("the kernel complained:\n{}", text_of(&new[shown])));
        }
        self.innocent = self.records.len();
        self.lost.then(|| {
            "the kernel's log ran over before the test read it: load with log=0, or read the log \
             while the module runs"
                .to_owned()
        })
    }

    /// The first complaint that is not `excused`; without any, all that was logged is forgotten.
    /// What is asked about is one complaint, without those below it.
    pub(crate) fn complaint_but(
        &mut self,
        mut excused: impl FnMut(&str) -> bool,
    ) -> Option<String> {
        while let Some(complaint) = self.complaint() {
            match first_splat(&self.records) {
                Some(splat) if excused(&text_of(&self.records[splat.clone()])) => {
                    self.records.drain(..splat.end);
                }
                _ => return Some(complaint),
            }
            self.innocent = 0;
        }
        self.records.clear();
        self.innocent = 0;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_level_facility_sequence_and_text() {
        let record = Record::parse(b"30,411,5140900,-;simrupt: a;b\n SUBSYSTEM=misc\n").unwrap();
        assert_eq!(
            (record.level, record.facility, record.sequence),
            (6, 3, 411)
        );
        assert_eq!(record.text, "simrupt: a;b");
    }

    #[test]
    fn escaped_bytes_are_put_back() {
        let record = Record::parse(b"6,1,2,-;caf\\xc3\\xa9 \\x5cx41\n").unwrap();
        assert_eq!(record.text, "caf\u{e9} \\x41");
    }

    fn record(text: &str) -> Record {
        Record::parse(format!("4,1,2,-;{text}\n").as_bytes()).unwrap()
    }

    fn records(lines: &[&str]) -> Vec<Record> {
        lines.iter().map(|line| record(line)).collect()
    }

    #[test]
    fn complaints_of_the_kernel_are_told_from_words_of_a_module() {
        for line in [
            "WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x0/0x4",
            "WARNING: possible circular locking dependency detected",
            "WARNING: suspicious RCU usage",
            "[ BUG: Invalid wait context ]",
            "DEBUG_LOCKS_WARN_ON(1)",
            "INFO: possible recursive locking detected",
            "INFO: trying to register non-static key.",
            "INFO: task misc:73 blocked for more than 120 seconds.",
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "rcu: INFO: rcu_preempt self-detected stall on CPU",
            "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [misc:73]",
            "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!",
            "Showing busy workqueues and worker pools:",
            "BUG: scheduling while atomic: a/1/0x2",
            "BUG: KASAN: slab-out-of-bounds in f+0x0/0x4 [hello]",
            "BUG kmalloc-64 (Tainted: G           O      ): Redzone overwritten",
            "UBSAN: array-index-out-of-bounds in /x.c:1:2",
            "ODEBUG: free active (active state 0) object type: timer_list hint: f+0x0/0x4",
            "refcount_t: saturated; leaking memory.",
            "list_add corruption. prev->next should be next (0), but was 0. (prev=0).",
            "list_del corruption, 0->next is NULL",
            "kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            "kmemleak: Kernel memory leak detector disabled",
            "insmod: page allocation failure: order:10, mode:0x40cc0(GFP_KERNEL|__GFP_COMP)",
            "Unable to handle kernel NULL pointer dereference at virtual address 0",
            "Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP",
            "Oops: 0002 [#1] PREEMPT SMP",
            "general protection fault, maybe for address 0x0: 0000 [#1]",
            "kernel BUG at mm/slub.c:1!",
            "------------[ cut here ]------------",
            "Call Trace:",
            "Call trace:",
        ] {
            assert!(record(line).is_splat(), "{line}");
        }
        for line in [
            "printk_levels: WARNING",
            "hello: Call trace:",
            "hello: loading out-of-tree module taints kernel.",
            "kmemleak: Automatic memory scanning thread started",
            "FAULT_INJECTION: forcing a failure.",
            "==================================================================",
        ] {
            assert!(!record(line).is_splat(), "{line}");
        }
        let spoken = Record::parse(b"12,1,2,-;WARNING: of a program\n").unwrap();
        assert!(!spoken.is_splat());
    }

    #[test]
    fn a_complaint_goes_from_its_frame_to_its_end() {
        let first = |lines: &[&str]| first_splat(&records(lines));
        let frame = "============================================";
        let lockdep = "WARNING: possible recursive locking detected";
        let cut = "------------[ cut here ]------------";
        let counted = "refcount_t: saturated; leaking memory.";
        let warning = "WARNING: CPU: 0 PID: 1 at lib/refcount.c:22 f+0x0/0x4";
        let end = "---[ end trace 0000000000000000 ]---";
        let asleep = "BUG: sleeping function called from invalid context at mm/x.c:1";
        let trace = "Call trace:";

        assert_eq!(first(&["a", "", frame, "b"]), None);
        assert_eq!(first(&["a", "", frame, lockdep, trace]), Some(2..5));
        assert_eq!(first(&["a", lockdep, frame]), Some(1..3));
        assert_eq!(first(&[lockdep, "a", frame, lockdep]), Some(0..2));
        assert_eq!(first(&[cut, counted, warning, trace, end, "a"]), Some(0..5));
        assert_eq!(first(&[asleep, trace, "a", asleep, trace]), Some(0..3));
        assert_eq!(first(&[asleep, trace, "a", cut, counted]), Some(0..3));
        let lost = "kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)";
        assert_eq!(first(&[asleep, trace, lost]), Some(0..2));
        let stalled = "rcu: INFO: rcu_preempt self-detected stall on CPU";
        assert_eq!(first(&[lockdep, trace, stalled]), Some(0..2));
        assert_eq!(first(&["a", trace, "b"]), Some(1..3));
    }

    #[test]
    fn a_complaint_is_whole_with_its_trace() {
        let whole = |lines: &[&str]| is_whole(&records(lines));
        let frame = "============================================";
        let lockdep = "WARNING: insmod/73 still has locks held!";
        let trace = "Call trace:";

        assert!(whole(&[]));
        assert!(whole(&["a", frame]));
        assert!(!whole(&[frame, lockdep]));
        assert!(!whole(&[
            frame,
            lockdep,
            frame,
            "1 lock held by insmod/73:"
        ]));
        assert!(whole(&[frame, lockdep, "stack backtrace:", trace]));
        assert!(whole(&[frame, lockdep, "BUG: sleeping function called"]));
        let cut = "------------[ cut here ]------------";
        assert!(!whole(&[
            cut,
            "WARNING: CPU: 0 PID: 1 at a.c:1 f",
            trace,
            "f"
        ]));
        assert!(whole(&[cut, trace, "---[ end trace 0000000000000000 ]---"]));
    }
}
