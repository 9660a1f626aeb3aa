//! The kernel's log, read from `/dev/kmsg` record by record.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;

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
        let text = self.text.trim_start().to_lowercase();
        self.facility == 0
            && ["bug", "warning", "call trace"]
                .iter()
                .any(|start| text.starts_with(start))
    }
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

    /// What is wrong in the log: a complaint of the kernel, with what stands around it, or that it
    /// was not read fast enough to say so.
    pub fn complaint(&mut self) -> Option<String> {
        let records = self.records();
        if let Some(place) = records.iter().position(Record::is_splat) {
            let around = &records[place.saturating_sub(2)..records.len().min(place + 60)];
            let lines: Vec<&str> = around.iter().map(|record| record.text.as_str()).collect();
            return Some(format!("the kernel complained:\n{}", lines.join("\n")));
        }
        self.lost.then(|| {
            "the kernel's log ran over before the test read it: load with log=0, or read the log \
             while the module runs"
                .to_owned()
        })
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

    #[test]
    fn complaints_of_the_kernel_are_told_from_words_of_a_module() {
        let is_splat = |line: &[u8]| Record::parse(line).unwrap().is_splat();
        assert!(is_splat(
            b"4,1,2,-;WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x0/0x4\n"
        ));
        assert!(is_splat(b"3,1,2,-;BUG: scheduling while atomic: a/1/0x2\n"));
        assert!(is_splat(b"4,1,2,-;Call Trace:\n"));
        assert!(is_splat(b"4,1,2,-;Call trace:\n"));
        assert!(!is_splat(b"4,1,2,-;printk_levels: WARNING\n"));
    }
}
