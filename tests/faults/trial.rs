//! Calls that are tried until each of their fault points has failed once.

use std::iter;
use std::mem;
use std::thread;

use nix::errno::Errno;

use crate::injection::{Task, Which};
use crate::table::{self, Column, Row};

/// How often all points are tried, until each errno has come: what has room in a slab has it again
/// after as many objects more, so a run may well step over what the one before has stepped over.
const TRIES: u32 = 10;

/// The trials of one module, and what they counted.
pub struct Trials {
    module: &'static str,
    row: Row,
}

impl Trials {
    pub fn of(module: &'static str) -> Trials {
        Trials {
            module,
            row: Row::default(),
        }
    }

    /// Calls `trial` with every allocation of this thread failing, then with its first fault point
    /// failing, with its second, and so on until there are no more.
    #[track_caller]
    pub fn each(&mut self, column: Column, trial: impl FnMut(&mut Fault)) {
        self.each_from(1, &Task::this_thread(), column, trial);
    }

    /// As [`each`](Self::each), from a later fault point on, or with the fault points of another task,
    /// which works for this one.
    ///
    /// Whether a slab has room for one object more is up to chance, and so is the number of fault
    /// points: a run may step over one. If that was the one to bring an errno, all are tried again.
    #[track_caller]
    pub fn each_from(
        &mut self,
        first: u32,
        task: &Task,
        column: Column,
        mut trial: impl FnMut(&mut Fault),
    ) {
        let before = self.row.clone();
        let mut missing = self.try_all(first, task, column, &mut trial);
        for _ in 1..TRIES {
            if !missing.is_empty() {
                self.row = before.clone();
                missing = self.try_all(first, task, column, &mut trial);
            }
        }
        assert!(missing.is_empty(), "never seen: {missing:?}");
    }

    /// Which of the errors that may come have not come.
    fn try_all(
        &mut self,
        first: u32,
        task: &Task,
        column: Column,
        trial: &mut impl FnMut(&mut Fault),
    ) -> Vec<Errno> {
        let (mut expected, mut seen) = (Vec::new(), Vec::new());
        let all = iter::once(Which::EveryAllocation).chain((first..).map(Which::Nth));
        for which in all {
            let mut fault = Fault {
                module: self.module,
                column,
                task,
                which,
                errors: Vec::new(),
                outcome: None,
            };
            trial(&mut fault);
            expected = mem::take(&mut fault.errors);
            let outcome = fault.outcome.take().expect("a trial makes its call");
            if let (Outcome::Unharmed, Which::Nth(_)) = (&outcome, which) {
                break;
            }
            if let Which::Nth(_) = which {
                let failed = matches!(outcome, Outcome::Failed(_));
                self.row.count(column, failed);
            }
            if let Outcome::Failed(error) = outcome {
                seen.push(error);
            }
        }
        expected.retain(|error| !seen.contains(error));
        expected
    }
}

impl Drop for Trials {
    fn drop(&mut self) {
        if !thread::panicking() {
            table::add(self.module, mem::take(&mut self.row));
        }
    }
}

/// What came of a call.
enum Outcome {
    /// It has fewer fault points.
    Unharmed,
    Failed(Errno),
    /// It succeeded all the same.
    Coped,
}

/// What is to fail this time.
pub struct Fault<'a> {
    module: &'static str,
    column: Column,
    task: &'a Task,
    which: Which,
    /// With which the call may fail.
    errors: Vec<Errno>,
    outcome: Option<Outcome>,
}

impl Fault<'_> {
    /// Makes the call, one system call if it can be, and has its fault point fail: it may succeed all
    /// the same, or end with one of `errors`, each of which one fault or another brings. Without a
    /// fault it succeeds.
    #[track_caller]
    pub fn hits<T>(
        &mut self,
        errors: &[Errno],
        call: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        self.errors = errors.to_vec();
        let (result, reached) = self.task.fails_while(self.which, call);
        match (&result, reached) {
            (Ok(_), Some(false)) => self.outcome = Some(Outcome::Unharmed),
            (Ok(_), _) => self.outcome = Some(Outcome::Coped),
            (Err(error), Some(true) | None) if errors.contains(error) => {
                self.outcome = Some(Outcome::Failed(*error))
            }
            (Err(error), Some(false)) => panic!("{error}, and nothing was made to fail"),
            (Err(error), _) => panic!("{error}, which is none of {errors:?}"),
        }
        result
    }
}

impl Drop for Fault<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let (module, column) = (self.module, self.column.name());
            eprintln!(
                "{module}, {column}: so it is when this fails: {:?}",
                self.which
            );
        }
    }
}
