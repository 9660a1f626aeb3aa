// SPDX-License-Identifier: GPL-2.0

//! The message that an open file is in the middle of.

use crate::device::Text;
use core::borrow::Borrow;
use lkm::{new_mutex, prelude::*, sync::Mutex, uaccess::UserSliceWriter};

/// Keeps what an open file reads in several reads from being half of one
/// message and half of another, as seq_file does.
///
/// The lock is this file's own: nobody waits for it who has another one open.
/// Lock order: a module's mutex or semaphore, this one, a module's spin lock.
pub(crate) struct Page(Mutex<Last>);

/// The message of the last read, and where that ended; 0 if there was none.
struct Last {
    text: Text,
    end: i64,
}

impl Page {
    pub(crate) fn new() -> Result<Self> {
        let last = Last {
            text: Text::new(),
            end: 0,
        };
        Ok(Page(new_mutex!(last, "misc_page")?))
    }

    /// Copies to `buffer`: a read that begins where the last one ended goes on
    /// in the same message, and any other is of the `current` one.
    pub(crate) fn read<M: Borrow<Text>>(
        &self,
        current: impl FnOnce() -> M,
        buffer: &mut UserSliceWriter,
        position: &mut i64,
    ) -> Result<usize> {
        let mut last = self.0.lock();
        if last.end != 0 && last.end == *position {
            let count = buffer.simple_read_from_buffer(position, &last.text)?;
            last.end = *position;
            return Ok(count);
        }
        let current = current();
        let text = current.borrow();
        let count = buffer.simple_read_from_buffer(position, text)?;
        last.text = *text;
        last.end = *position;
        Ok(count)
    }
}
