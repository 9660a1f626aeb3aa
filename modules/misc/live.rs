// SPDX-License-Identifier: GPL-2.0

//! A message that is counted for as long as it is in memory.

use crate::device::Message;
use core::{
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicU64, Ordering},
};

static LIVE: AtomicU64 = AtomicU64::new(0);

pub(crate) struct Live(Message);

impl Live {
    #[inline]
    pub(crate) fn new(message: Message) -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Live(message)
    }

    /// How many there are.
    pub(crate) fn count() -> u64 {
        LIVE.load(Ordering::Relaxed)
    }
}

impl Deref for Live {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.0
    }
}

impl DerefMut for Live {
    fn deref_mut(&mut self) -> &mut Message {
        &mut self.0
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}
