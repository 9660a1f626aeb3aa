//! hammer on stand-ins for the node: a good one, and some that each do one thing wrong.

use super::*;
use cli::{Waiter, Wake};
use std::io;
use std::sync::{Condvar, Mutex};

/// What a stand-in for the node does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// Keeps the second half of the message that a write replaces.
    ReplacesHalf,
    /// Reads from the middle of a message go on in the one before it.
    ForgetsReader,
    /// Keeps every second message for itself.
    LosesWrites,
    /// Takes no message but the first.
    IsDeaf,
    /// Fails after some writes.
    Breaks,
    /// Is written to by others.
    IsShared,
}

struct Device {
    flaw: Flaw,
    state: Mutex<State>,
    worked: Condvar,
}

#[derive(Default)]
struct State {
    message: Vec<u8>,
    before: Vec<u8>,
    reads: u64,
    bytes_read: u64,
    writes: u64,
    bytes_written: u64,
}

struct OpenDevice<'a> {
    device: &'a Device,
    position: usize,
    message: Vec<u8>,
}

impl Read for OpenDevice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.device.state.lock().unwrap();
        if self.position == 0 {
            state.reads += 1;
            self.message = state.message.clone();
        } else if self.device.flaw == Flaw::ForgetsReader && self.position < self.message.len() {
            self.message = state.before.clone();
        }
        let rest = self.message.get(self.position..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.position += length;
        state.bytes_read += length as u64;
        self.device.worked.notify_all();
        Ok(length)
    }
}

impl Write for OpenDevice<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut guard = self.device.state.lock().unwrap();
        let state = &mut *guard;
        let mut message = bytes.to_vec();
        match self.device.flaw {
            Flaw::ReplacesHalf if state.writes > 0 => {
                let half = bytes.len() / 2;
                message.truncate(half);
                message.extend(state.message.iter().skip(half));
            }
            Flaw::LosesWrites if state.writes % 2 == 1 => message = state.message.clone(),
            Flaw::IsDeaf if state.writes > 0 => message = state.message.clone(),
            Flaw::Breaks if state.writes == 10 => return Err(io::ErrorKind::Other.into()),
            Flaw::IsShared if state.writes > 0 => message = b"Hello, world!\n".to_vec(),
            _ => {}
        }
        state.before = std::mem::replace(&mut state.message, message);
        state.writes += 1;
        state.bytes_written += bytes.len() as u64;
        self.device.worked.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for OpenDevice<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        assert_eq!(to, SeekFrom::Start(0));
        self.position = 0;
        Ok(0)
    }
}

impl Device {
    fn new(flaw: Flaw) -> Device {
        Device {
            flaw,
            state: Mutex::default(),
            worked: Condvar::new(),
        }
    }

    /// Has the device hammered until it has done `reads` and `writes`.
    fn hammered(&self, [readers, writers]: [u32; 2], [reads, writes]: [u64; 2]) -> Outcome {
        let outcome = hammer(&plan(readers, writers), &|_| Ok(self.open()), |_| {
            let state = self.state.lock().unwrap();
            let busy = |state: &mut State| state.reads < reads || state.writes < writes;
            drop(self.worked.wait_while(state, busy).unwrap());
            Ok(())
        });
        outcome.unwrap()
    }

    fn open(&self) -> OpenDevice<'_> {
        OpenDevice {
            device: self,
            position: 0,
            message: Vec::new(),
        }
    }
}

fn plan(readers: u32, writers: u32) -> Plan {
    Plan {
        node: "NODE".to_owned(),
        readers,
        writers,
        run: 1,
    }
}

#[test]
fn nothing_is_wrong_with_a_good_device_and_everything_is_counted() {
    let device = Device::new(Flaw::None);
    let outcome = device.hammered([3, 3], [1000, 1000]);
    assert_eq!((outcome.torn, outcome.stale), (0, 0));
    assert!(outcome.faults.is_empty());
    let state = device.state.lock().unwrap();
    // The first message and the last look at it are no part of what is told.
    assert_eq!(outcome.read.operations, state.reads - 1);
    assert_eq!(outcome.written.operations, state.writes - 1);
    let first = Message {
        run: 1,
        writer: 0,
        sequence: 0,
    };
    let unread = state.message.len() as u64;
    assert_eq!(outcome.read.bytes, state.bytes_read - unread);
    let untold = first.encode().len() as u64;
    assert_eq!(outcome.written.bytes, state.bytes_written - untold);
}

#[test]
fn readers_alone_find_the_first_message_good() {
    let outcome = Device::new(Flaw::None).hammered([2, 0], [100, 0]);
    assert_eq!((outcome.torn, outcome.stale), (0, 0));
    assert!(outcome.read.operations >= 98 && outcome.written.operations == 0);
}

#[test]
fn halves_of_two_messages_are_told_with_all_their_bytes() {
    let outcome = Device::new(Flaw::ReplacesHalf).hammered([2, 1], [500, 100]);
    assert!(outcome.torn > 0);
    let fault = outcome.faults[0].to_string();
    assert!(fault.contains(" messages: torn: its header "), "{fault}");
    assert!(
        fault.contains(" bytes are 68 6d 72 31 01 00 00 00 "),
        "{fault}"
    );
}

#[test]
fn a_read_in_pieces_finds_the_pieces_of_two_messages() {
    // The second message that a reader reads comes in pieces of 1 byte.
    let device = Device::new(Flaw::ForgetsReader);
    assert!(device.hammered([1, 1], [500, 100]).torn > 0);
}

#[test]
fn a_lost_last_write_is_found_at_the_end() {
    let device = Device::new(Flaw::LosesWrites);
    let outcome = device.hammered([0, 1], [0, 2]);
    let lost_last = outcome.written.operations % 2 == 1;
    assert_eq!(outcome.stale, u64::from(lost_last));
}

#[test]
fn the_first_message_is_stale_when_there_was_another() {
    let outcome = Device::new(Flaw::IsDeaf).hammered([0, 2], [0, 10]);
    assert_eq!(outcome.stale, 1);
    assert!(outcome.faults[0].to_string().starts_with(
        "at the end, after 0 messages: stale: number 0 of writer 0 had been replaced; the "
    ));
}

#[test]
fn what_others_write_is_told_as_theirs() {
    let outcome = Device::new(Flaw::IsShared).hammered([2, 2], [500, 500]);
    let fault = outcome
        .faults
        .first()
        .map(Fault::to_string)
        .unwrap_or_default();
    assert!(
        fault.contains("does another program write to the node?"),
        "{fault}"
    );
}

#[test]
fn an_error_of_one_thread_ends_all_before_the_time_is_over() {
    let device = Device::new(Flaw::Breaks);
    let mut end = None;
    let result = hammer(&plan(2, 2), &|_| Ok(device.open()), |ended| {
        let patience = Instant::now() + Duration::from_secs(20);
        end = Some(Waiter::new()?.readable(ended, Some(patience))?);
        Ok(())
    });
    assert!(matches!(end, Some(Wake::Ready)));
    let error = format!("{:#}", result.err().unwrap());
    assert!(error.starts_with("NODE: cannot write: "), "{error}");
}

#[test]
fn a_node_that_cannot_be_opened_is_an_error() {
    let open = |_| -> Result<OpenDevice<'static>> { Err(anyhow!("not there")) };
    let result = hammer(&plan(1, 1), &open, |_| Ok(()));
    assert_eq!(result.err().unwrap().to_string(), "not there");
}
