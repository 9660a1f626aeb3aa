// SPDX-License-Identifier: GPL-2.0

//! What read(2) gives: the counters as text.

use crate::statistics::Statistics;
use core::fmt::Write;
use lkm::{cpumask::num_possible_cpus, kvec::KVVec, prelude::*, uaccess::UserSliceWriter};

/// Longer than any line: words, a number of 10 digits, two of 20.
const LINE_MAX: usize = 80;

/// The table that an open file is in the middle of.
pub(crate) struct Table {
    text: KVVec<u8>,
    /// Where the last read ended; 0 if no table was read from yet.
    end: i64,
}

impl Table {
    pub(crate) fn new() -> Result<Self> {
        let lines = num_possible_cpus().wrapping_add(1);
        Ok(Table {
            text: KVVec::with_capacity(lines.wrapping_mul(LINE_MAX))?,
            end: 0,
        })
    }

    /// A read that begins where the last one ended goes on in the same table;
    /// any other is of a new one.
    pub(crate) fn read(
        &mut self,
        statistics: &Statistics,
        buffer: &mut UserSliceWriter<'_>,
        position: &mut i64,
    ) -> Result<usize> {
        if self.end == 0 || self.end != *position {
            self.end = 0;
            self.fill(statistics)?;
        }
        let count = buffer.simple_read_from_buffer(position, &self.text)?;
        self.end = *position;
        Ok(count)
    }

    fn fill(&mut self, statistics: &Statistics) -> Result {
        let text = &mut self.text;
        text.clear();
        let total = statistics.sum(|cpu, counts| {
            let (events, bytes) = (counts.events, counts.bytes);
            let cpu = cpu.number();
            writeln!(text, "cpu {cpu}: events {events}, bytes {bytes}").map_err(|_| ENOMEM)
        })?;
        let (events, bytes) = (total.events, total.bytes);
        writeln!(text, "total: events {events}, bytes {bytes}").map_err(|_| ENOMEM)
    }
}
