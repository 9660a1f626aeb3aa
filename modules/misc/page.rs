// SPDX-License-Identifier: GPL-2.0

//! The message that an open file is in the middle of.

use crate::device::Text;
use lkm::{new_mutex, prelude::*, sync::Mutex, uaccess::UserSliceWriter};

/// Keeps what an open file reads in several reads from being half of one
/// message and half of another, as seq_file does.
///
/// The lock is this file's own: nobody waits for it who has another one open.
/// Lock order: a module's mutex or semaphore, this one, a module's spin lock.
pub(crate) struct Page(Mutex<Last>);

struct Last {
    /// One is the message of the last read; the other has room for the next one,
    /// as a read that fails leaves the message as it was.
    texts: [Text; 2],
    is_second: bool,
    /// Where the last read ended; 0 if there was none.
    end: i64,
}

impl Page {
    pub(crate) fn new() -> Result<Self> {
        let last = Last {
            texts: [Text::new(); 2],
            is_second: false,
            end: 0,
        };
        Ok(Page(new_mutex!(last, "misc_page")?))
    }

    /// Copies to `buffer`: a read that begins where the last one ended goes on
    /// in the same message, and any other is of what `current` copies.
    #[inline]
    pub(crate) fn read(
        &self,
        current: impl FnOnce(&mut Text),
        buffer: &mut UserSliceWriter<'_>,
        position: &mut i64,
    ) -> Result<usize> {
        self.0.with(|last| {
            let is_new = last.end == 0 || last.end != *position;
            let is_second = last.is_second ^ is_new;
            let [first, second] = &mut last.texts;
            let text = if is_second { second } else { first };
            if is_new {
                current(text);
            }
            let count = buffer.simple_read_from_buffer(position, text)?;
            last.is_second = is_second;
            last.end = *position;
            Ok(count)
        })
    }
}
