//! What is said when a run fails: how to make it again, and what was called last.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::errno::Errno;

use crate::call::Call;

/// So many calls of a thread are remembered.
const LAST: usize = 8;

/// The last calls of one thread.
#[derive(Default)]
pub struct Trail(Mutex<VecDeque<Step>>);

struct Step {
    index: u64,
    call: Call,
    /// None while it is in the kernel.
    result: Option<Result<usize, Errno>>,
}

impl Trail {
    pub fn begin(&self, index: u64, call: Call) {
        let mut last = self.0.lock().unwrap();
        if last.len() == LAST {
            last.pop_front();
        }
        last.push_back(Step {
            index,
            call,
            result: None,
        });
    }

    /// The last calls, with their places among all.
    pub fn calls(&self) -> Vec<String> {
        let last = self.0.lock().unwrap();
        last.iter()
            .map(|step| format!("{}: {:?}", step.index, step.call))
            .collect()
    }

    pub fn end(&self, result: Result<usize, Errno>) {
        if let Some(last) = self.0.lock().unwrap().back_mut() {
            last.result = Some(result);
        }
    }
}

/// Dropped by a test that fails, it says so.
#[derive(Clone)]
pub struct Report {
    pub node: &'static str,
    pub seed: u64,
    pub calls: u64,
    pub parameters: Vec<String>,
    pub trails: Arc<Vec<Trail>>,
}

impl Report {
    /// With nothing but how to make the calls again.
    pub fn of(node: &'static str, seed: u64, calls: u64) -> Report {
        Report {
            node,
            seed,
            calls,
            parameters: Vec::new(),
            trails: Arc::default(),
        }
    }

    pub fn words(&self) -> String {
        let Report {
            node, seed, calls, ..
        } = self;
        let mut words = format!(
            "torture: to make the same calls again, with the same ARCH and VARIANT:\n  \
             make torture NODE={node} SEED={seed} CALLS={calls}\n"
        );
        if !self.parameters.is_empty() {
            let _ = writeln!(words, "{node} was loaded with {:?}", self.parameters);
        }
        for (number, trail) in self.trails.iter().enumerate() {
            let last = trail.0.lock().unwrap_or_else(PoisonError::into_inner);
            for Step {
                index,
                call,
                result,
            } in last.iter()
            {
                let result = match result {
                    Some(Ok(value)) => format!("{value}"),
                    Some(Err(errno)) => format!("{errno:?}"),
                    None => "in the kernel".to_owned(),
                };
                let _ = writeln!(words, "thread {number}, call {index}: {call:?}: {result}");
            }
        }
        words
    }
}

/// Says the report if the test fails while this lives.
pub struct OnFailure(pub Report);

impl Drop for OnFailure {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.0.words());
        }
    }
}
