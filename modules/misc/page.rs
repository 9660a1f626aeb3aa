// SPDX-License-Identifier: GPL-2.0

//! The message that an open file is in the middle of.

use crate::device::Message;
use lkm::{new_spinlock, prelude::*, sync::SpinLock, uaccess::UserSliceWriter};

/// Keeps what an open file reads in several reads from being half of one
/// message and half of another, as seq_file does.
///
/// The lock is this file's own: nobody waits for it who has another one open.
/// Lock order: the module's own lock, if it is held, then this one.
pub(crate) struct Page(SpinLock<Option<(Message, i64)>>);

impl Page {
    pub(crate) fn new() -> Result<Self> {
        Ok(Page(new_spinlock!(None, "misc_page")?))
    }

    /// Copies to `buffer`: a read that begins where the last one ended goes on
    /// in the same message, and any other is of the `current` one.
    pub(crate) fn read(
        &self,
        current: &Message,
        buffer: &mut UserSliceWriter,
        position: &mut i64,
    ) -> Result<usize> {
        let last = *self.0.lock();
        let message = match last {
            Some((message, end)) if end == *position && end > 0 => message,
            _ => *current,
        };
        let count = buffer.simple_read_from_buffer(position, message.as_bytes())?;
        *self.0.lock() = Some((message, *position));
        Ok(count)
    }
}
