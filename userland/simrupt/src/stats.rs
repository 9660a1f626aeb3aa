//! The statistics as a table.

use abi::simrupt::simrupt_stats;

/// One line for each counter: its name, its value, its meaning.
pub fn table(stats: &simrupt_stats) -> String {
    // Taken apart field by field, so that a new counter cannot be forgotten here.
    let simrupt_stats {
        ticks,
        tasklet_runs,
        work_runs,
        produced,
        delivered,
        dropped_ring,
        dropped_fifo,
        dropped_close,
        queued,
        max_irq_ns,
        max_softirq_ns,
    } = *stats;
    let rows = [
        ("ticks", ticks, "runs of the timer handler"),
        ("tasklet_runs", tasklet_runs, "runs of the tasklet"),
        ("work_runs", work_runs, "runs of the work item"),
        ("produced", produced, "bytes that the timer handler made"),
        ("delivered", delivered, "bytes that readers took"),
        (
            "dropped_ring",
            dropped_ring,
            "new bytes refused by a full ring",
        ),
        (
            "dropped_fifo",
            dropped_fifo,
            "oldest bytes pushed out of a full fifo",
        ),
        (
            "dropped_close",
            dropped_close,
            "unread bytes thrown away by the last close",
        ),
        ("queued", queued, "bytes waiting for a reader"),
        (
            "max_irq_ns",
            max_irq_ns,
            "longest timer handler, nanoseconds",
        ),
        (
            "max_softirq_ns",
            max_softirq_ns,
            "longest tasklet run, nanoseconds",
        ),
    ];
    let value_width = rows
        .iter()
        .map(|(_, value, _)| value.to_string().len())
        .max();
    rows.iter()
        .map(|(name, value, meaning)| {
            format!(
                "{name:<14} {value:>width$}  {meaning}\n",
                width = value_width.unwrap_or(0)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_line_up_at_the_right() {
        let stats = simrupt_stats {
            ticks: u64::MAX,
            queued: 7,
            ..Default::default()
        };
        let table = table(&stats);
        let ends: Vec<_> = table.lines().map(|line| line.get(34..37)).collect();
        assert_eq!(ends.len(), 11);
        for (end, line) in ends.iter().zip(table.lines()) {
            let (digit, gap) = end.unwrap_or_default().split_at(1);
            assert!(digit.parse::<u8>().is_ok() && gap == "  ", "{line}");
        }
    }
}
