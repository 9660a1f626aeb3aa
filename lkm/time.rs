// SPDX-License-Identifier: GPL-2.0

//! Time, in nanoseconds: ktime.
//!
//! C header: `include/linux/ktime.h`.

use crate::bindings;

/// A span of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delta {
    nanos: i64,
}

impl Delta {
    /// A span of `nanos` nanoseconds.
    #[inline]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self { nanos }
    }

    /// A span of `micros` microseconds; at most 292 years.
    #[inline]
    pub const fn from_micros(micros: i64) -> Self {
        Self {
            nanos: micros.saturating_mul(1_000),
        }
    }

    /// A span of `millis` milliseconds; at most 292 years.
    #[inline]
    pub const fn from_millis(millis: i64) -> Self {
        Self {
            nanos: millis.saturating_mul(1_000_000),
        }
    }

    /// The span in nanoseconds.
    #[inline]
    pub const fn as_nanos(self) -> i64 {
        self.nanos
    }

    /// The whole microseconds in the span.
    #[inline]
    pub const fn as_micros(self) -> i64 {
        self.nanos / 1_000
    }

    /// The whole ticks that cover the span; what is negative is 0.
    #[inline]
    pub(crate) const fn as_jiffies_ceil(self) -> u64 {
        const HZ: u64 = bindings::BINDINGS_HZ as u64;
        const SECOND: u64 = 1_000_000_000;
        let nanos = if self.nanos < 0 { 0 } else { self.nanos as u64 };
        // HZ is 1,000 at most: neither product gets near the end of 64 bits.
        let rest = (nanos % SECOND).wrapping_mul(HZ).wrapping_add(SECOND - 1) / SECOND;
        (nanos / SECOND).wrapping_mul(HZ).wrapping_add(rest)
    }
}

/// A point in time, by the clock that never goes back (`CLOCK_MONOTONIC`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    nanos: i64,
}

impl Instant {
    /// Now; any context but NMI.
    #[inline]
    pub fn now() -> Self {
        // SAFETY: always allowed.
        let nanos = unsafe { bindings::ktime_get() };
        Self { nanos }
    }

    /// The time since then.
    #[inline]
    pub fn elapsed(self) -> Delta {
        Delta::from_nanos(Self::now().nanos.wrapping_sub(self.nanos))
    }
}
