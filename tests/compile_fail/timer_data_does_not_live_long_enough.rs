// SPDX-License-Identifier: GPL-2.0

//! What a timer calls owns its data, for the handle may be leaked, and the timer then goes on.

use core::sync::atomic::{AtomicU64, Ordering};
use lkm::timer::{TimerCallback, TimerRestart};

struct Count<'a>(&'a AtomicU64);

impl TimerCallback for Count<'_> //~ ERROR E0478
{
    fn run(&mut self) -> TimerRestart {
        self.0.fetch_add(1, Ordering::Relaxed);
        TimerRestart::NoRestart
    }
}
