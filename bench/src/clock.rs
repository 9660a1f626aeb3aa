//! Time, which is instructions: under `-icount shift=0` the guest's clock advances by a nanosecond
//! with each of them.

use anyhow::{Context, Result};
use nix::time::{clock_gettime, ClockId};

/// What figures are in: what a nanosecond of the clock is, or how two of them compare.
#[derive(Clone, Copy)]
pub enum Unit {
    Instructions,
    /// In a guest whose clock is the host's: for what is about several CPUs at a time.
    Nanoseconds,
    /// Than one CPU is, by the host's clock.
    TimesFaster,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Unit::Instructions => "instructions",
            Unit::Nanoseconds => "nanoseconds",
            Unit::TimesFaster => "times faster",
        }
    }
}

/// What the kernel says of how long a CPU did nothing, to the nanosecond. (/proc/stat and
/// /proc/uptime count in hundredths of a second.)
const IDLE: &str = "/proc/timer_list";

/// Nanoseconds since some moment.
pub fn now() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).context("cannot read the clock")?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

/// How long the first CPU was idle so far. It is the only one where this matters: what is measured
/// on several of them has none wait.
fn idle() -> Result<u64> {
    let text = std::fs::read_to_string(IDLE).with_context(|| format!("cannot read {IDLE}"))?;
    parse_idle(&text).with_context(|| {
        format!("{IDLE} has no .idle_sleeptime; does this kernel have CONFIG_NO_HZ_IDLE?")
    })
}

fn parse_idle(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains(".idle_sleeptime"))?;
    line.split_whitespace().nth(2)?.parse().ok()
}

/// The time that `work` takes, less that in which the CPU was idle: what anybody did meanwhile, in
/// whatever thread or interrupt. Whoever leaves something to be done later, and waits for it, has
/// that counted too.
pub fn busy(work: impl FnOnce() -> Result<()>) -> Result<u64> {
    // In this order, so that what it takes to ask is outside.
    let idle_before = idle()?;
    let before = now()?;
    work()?;
    let after = now()?;
    let idle = idle()? - idle_before;
    Ok((after - before).saturating_sub(idle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idle_time_is_found_in_the_kernels_text() {
        let text = "cpu: 0\n  .nr_events      : 3\n  .idle_sleeps    : 3\n  .idle_sleeptime : 9999893776 nsecs\ncpu: 1\n  .idle_sleeptime : 7 nsecs\n";
        assert_eq!(parse_idle(text), Some(9_999_893_776));
        assert_eq!(parse_idle("cpu: 0\n"), None);
    }
}
