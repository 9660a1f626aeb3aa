//! The tests, and the value that they share between threads.

mod arc;
mod rcu;
mod ring;

use crate::bindings::{model, model_with, Fault};
use loom::cell::UnsafeCell;

/// Two halves that belong together. loom reports two threads that are at one of them, be it to
/// drop it, unless one has been told that the other is done.
struct Pair([UnsafeCell<u32>; 2]);

/// What the halves are when the value is no more.
const DROPPED: u32 = u32::MAX;

// SAFETY: it is for loom to say who gets at it.
unsafe impl Sync for Pair {}

impl Pair {
    fn new(n: u32) -> Self {
        Self([UnsafeCell::new(n), UnsafeCell::new(n)])
    }

    /// What both halves are.
    fn get(&self) -> u32 {
        let [left, right] = [0, 1].map(|half: usize| self.0[half].with(|n| unsafe { *n }));
        assert_eq!(left, right, "a half of one value and a half of another");
        assert_ne!(left, DROPPED);
        left
    }

    /// Adds one to a half.
    fn add_to(&self, half: usize) {
        self.0[half].with_mut(|n| unsafe { *n += 1 });
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // loom has had its say if this comes of a fault that it has found.
        if !std::thread::panicking() {
            for half in &self.0 {
                half.with_mut(|n| unsafe { *n = DROPPED });
            }
        }
    }
}
