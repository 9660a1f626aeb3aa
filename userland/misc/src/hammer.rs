//! Readers and writers that use a node all at once, and check what they read.
//!
//! Two things must hold of every message that is read: it is one that was written, whole; and it is
//! not older, in its writer's sequence, than what was in the node before its file was opened, or
//! than what this reader has read before.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::{self, Builder, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure, Context, Result};
use cli::Access;

use crate::message::{Message, Torn, MAX};
use crate::node::read_message;

/// The bytes of a thread's stack.
const STACK: usize = 256 << 10;

/// What to do.
pub struct Plan {
    /// How the node is called in errors.
    pub node: String,
    /// How many threads read, and how many write.
    pub readers: u32,
    pub writers: u32,
    /// Tells the messages of this hammer from those of another.
    pub run: u32,
}

/// What was done, and what was wrong with it.
pub struct Outcome {
    pub elapsed: Duration,
    pub read: Tally,
    pub written: Tally,
    pub torn: u64,
    pub stale: u64,
    /// The first fault of each reader that found one.
    pub faults: Vec<Fault>,
}

/// Messages that were read or written.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    pub operations: u64,
    pub bytes: u64,
}

impl Tally {
    fn count(&mut self, bytes: usize) {
        self.operations += 1;
        self.bytes += bytes as u64;
    }

    fn add(&mut self, other: Tally) {
        self.operations += other.operations;
        self.bytes += other.bytes;
    }
}

/// A message that no reader should have got.
pub struct Fault {
    reader: String,
    /// How many messages this reader had read before.
    after: u64,
    reason: Reason,
    bytes: Vec<u8>,
}

enum Reason {
    Torn(Torn),
    Stale(Message),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, after {} messages: ", self.reader, self.after)?;
        match &self.reason {
            Reason::Torn(torn) => write!(f, "torn: {torn}")?,
            Reason::Stale(message) => write!(
                f,
                "stale: number {} of writer {} had been replaced",
                message.sequence, message.writer
            )?,
        }
        write!(f, "; the {} bytes are", self.bytes.len())?;
        self.bytes
            .iter()
            .try_for_each(|byte| write!(f, " {byte:02x}"))
    }
}

/// What all threads see.
struct Shared<'a, O> {
    plan: &'a Plan,
    open: &'a O,
    stop: AtomicBool,
    /// Held for writing until all threads are there, and the first message is written.
    gate: RwLock<()>,
    /// For each writer, the number of the last message that it has written.
    newest: Vec<AtomicU64>,
}

impl<O> Shared<'_, O> {
    fn written(&self, writer: u32, sequence: u64) {
        if let Some(newest) = self.newest.get(writer as usize) {
            newest.store(sequence, Ordering::Release);
        }
    }
}

/// Starts all threads, writes a first message, and has them work until `wait` returns. If there
/// cannot be so many threads, nothing is written.
///
/// `open` opens the node anew. `wait` is given a pipe that is at its end when all threads have
/// ended, as they do if one of them fails.
pub fn hammer<F, O, W>(plan: &Plan, open: &O, wait: W) -> Result<Outcome>
where
    F: Read + Write + Seek,
    O: Fn(Access) -> Result<F> + Sync,
    W: FnOnce(&File) -> Result<()>,
{
    let shared = Shared {
        plan,
        open,
        stop: AtomicBool::new(false),
        gate: RwLock::new(()),
        // Writer 0 is this function, whose first message has number 0.
        newest: (0..=plan.writers).map(|_| AtomicU64::new(0)).collect(),
    };

    let (ended, alive) = cli::pipe()?;
    let (begin, found, written) = thread::scope(|scope| {
        let closed = shared.gate.write();
        let team = start(scope, &shared, alive).and_then(|team| {
            write_message(&shared, &mut open(Access::Write)?, 0, 0)?;
            Ok(team)
        });
        let begin = Instant::now();
        let waited = match team {
            Ok(_) => {
                drop(closed);
                wait(&ended)
            }
            Err(_) => Ok(()),
        };
        // Before the gate opens for threads that have nothing to do.
        shared.stop.store(true, Ordering::Relaxed);
        let (readers, writers) = team?;
        let done = (begin, join(readers)?, join(writers)?);
        waited.map(|()| done)
    })?;

    let mut outcome = Outcome {
        elapsed: begin.elapsed(),
        read: Tally::default(),
        written: Tally::default(),
        torn: 0,
        stale: 0,
        faults: Vec::new(),
    };
    for tally in written {
        outcome.written.add(tally);
    }
    for found in &found {
        outcome.read.add(found.tally);
    }
    // What is there when all is over must be the last message of one of the writers.
    let mut last = Reader::new(&shared, "at the end".to_owned());
    last.read()?;
    for found in found.into_iter().chain([last.found]) {
        outcome.torn += found.torn;
        outcome.stale += found.stale;
        outcome.faults.extend(found.first);
    }
    Ok(outcome)
}

type Team<'scope> = (
    Vec<ScopedJoinHandle<'scope, Result<Found>>>,
    Vec<ScopedJoinHandle<'scope, Result<Tally>>>,
);

/// Starts the readers and the writers; `alive` is closed when all of them have ended.
fn start<'scope, F, O>(
    scope: &'scope Scope<'scope, '_>,
    shared: &'scope Shared<'_, O>,
    alive: File,
) -> Result<Team<'scope>>
where
    F: Read + Write + Seek,
    O: Fn(Access) -> Result<F> + Sync,
{
    let alive = Arc::new(alive);
    let all = shared.plan.readers + shared.plan.writers;
    let few = |thread: u32| {
        format!("cannot start thread {thread} of {all}; ask for fewer readers and writers")
    };
    let readers = (1..=shared.plan.readers).map(|reader| {
        let work = move || read_messages(shared, reader);
        spawn(scope, shared, &alive, work).with_context(|| few(reader))
    });
    let readers = readers.collect::<Result<_>>()?;
    let writers = (1..=shared.plan.writers).map(|writer| {
        let work = move || write_messages(shared, writer);
        spawn(scope, shared, &alive, work).with_context(|| few(shared.plan.readers + writer))
    });
    Ok((readers, writers.collect::<Result<_>>()?))
}

fn spawn<'scope, O: Sync, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    shared: &'scope Shared<'_, O>,
    alive: &Arc<File>,
    work: impl FnOnce() -> Result<T> + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, Result<T>>> {
    let alive = Arc::clone(alive);
    let thread = move || {
        let _alive = alive;
        drop(shared.gate.read());
        let result = work();
        if result.is_err() {
            shared.stop.store(true, Ordering::Relaxed);
        }
        result
    };
    // There may be thousands of them, and none needs much.
    Builder::new().stack_size(STACK).spawn_scoped(scope, thread)
}

fn join<T>(threads: Vec<ScopedJoinHandle<'_, Result<T>>>) -> Result<Vec<T>> {
    let ends = threads.into_iter().map(|thread| {
        let end = thread.join();
        end.map_err(|_| anyhow!("a thread has panicked, a bug of this program"))?
    });
    ends.collect()
}

fn write_messages<F, O>(shared: &Shared<'_, O>, writer: u32) -> Result<Tally>
where
    F: Read + Write + Seek,
    O: Fn(Access) -> Result<F>,
{
    let mut file = (shared.open)(Access::Write)?;
    let mut tally = Tally::default();
    while !shared.stop.load(Ordering::Relaxed) {
        let sequence = tally.operations + 1;
        tally.count(write_message(shared, &mut file, writer, sequence)?);
        // Whoever sees this number opens the node after the write.
        shared.written(writer, sequence);
        if sequence == 1 {
            // The first message of all is then as old as if it had a successor.
            shared.written(0, 1);
        }
    }
    Ok(tally)
}

/// Writes one message and says how many bytes it has.
fn write_message<O>(
    shared: &Shared<'_, O>,
    file: &mut impl Write,
    writer: u32,
    sequence: u64,
) -> Result<usize> {
    let Plan { node, run, .. } = shared.plan;
    let message = Message {
        run: *run,
        writer,
        sequence,
    };
    let bytes = message.encode();
    let written = file
        .write(&bytes)
        .with_context(|| format!("{node}: cannot write"))?;
    ensure!(
        written == bytes.len(),
        "{node}: took {written} of {} bytes; is it a misc node?",
        bytes.len()
    );
    Ok(written)
}

/// What a reader has found.
struct Found {
    tally: Tally,
    torn: u64,
    stale: u64,
    first: Option<Fault>,
}

fn read_messages<F, O>(shared: &Shared<'_, O>, reader: u32) -> Result<Found>
where
    F: Read + Write + Seek,
    O: Fn(Access) -> Result<F>,
{
    let mut reader = Reader::new(shared, format!("reader {reader}"));
    while !shared.stop.load(Ordering::Relaxed) {
        reader.read()?;
    }
    Ok(reader.found)
}

struct Reader<'a, F, O> {
    shared: &'a Shared<'a, O>,
    name: String,
    file: Option<F>,
    /// For each writer, a number than which no lower one may come.
    newest: Vec<u64>,
    bytes: Vec<u8>,
    found: Found,
}

impl<'a, F, O> Reader<'a, F, O>
where
    F: Read + Write + Seek,
    O: Fn(Access) -> Result<F>,
{
    fn new(shared: &'a Shared<'a, O>, name: String) -> Self {
        Reader {
            shared,
            name,
            file: None,
            newest: vec![0; shared.newest.len()],
            bytes: Vec::with_capacity(2 * MAX),
            found: Found {
                tally: Tally::default(),
                torn: 0,
                stale: 0,
                first: None,
            },
        }
    }

    /// Reads one message and checks it.
    ///
    /// Every other one is read at once from a file that was just opened, which is the only way to
    /// a new message where an open file keeps its own. The one after it is read again from the
    /// same file's beginning, in pieces, which must all be of one message.
    fn read(&mut self) -> Result<()> {
        let operations = self.found.tally.operations;
        let node = &self.shared.plan.node;
        let (mut file, piece) = match self.file.take() {
            Some(mut file) => {
                file.seek(SeekFrom::Start(0))
                    .with_context(|| format!("{node}: cannot seek"))?;
                (file, 1 + (operations / 2) as usize % MAX)
            }
            None => {
                for (own, shared) in self.newest.iter_mut().zip(&self.shared.newest) {
                    *own = shared.load(Ordering::Acquire).max(*own);
                }
                ((self.shared.open)(Access::Read)?, MAX + 1)
            }
        };
        read_message(&mut file, piece, &mut self.bytes)
            .with_context(|| format!("{node}: cannot read"))?;
        if operations % 2 == 0 {
            self.file = Some(file);
        }
        self.check();
        self.found.tally.count(self.bytes.len());
        Ok(())
    }

    fn check(&mut self) {
        let reason = match Message::decode(&self.bytes, self.shared.plan.run) {
            Err(torn) => Reason::Torn(torn),
            Ok(message) => match self.newest.get_mut(message.writer as usize) {
                None => Reason::Torn(Torn::OtherRun),
                Some(newest) if message.sequence < *newest => Reason::Stale(message),
                Some(newest) => {
                    *newest = message.sequence;
                    return;
                }
            },
        };
        match reason {
            Reason::Torn(_) => self.found.torn += 1,
            Reason::Stale(_) => self.found.stale += 1,
        }
        if self.found.first.is_none() {
            self.found.first = Some(Fault {
                reader: self.name.clone(),
                after: self.found.tally.operations,
                reason,
                bytes: self.bytes.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests;
