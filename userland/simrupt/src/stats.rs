//! The statistics as a table.

use abi::simrupt::simrupt_stats;
use cli::Align;

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
    let rows = rows
        .map(|(name, value, meaning)| vec![name.to_owned(), value.to_string(), meaning.to_owned()]);
    cli::table(&[Align::Left, Align::Right, Align::Left], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_has_a_line_with_its_own_value() {
        let stats = simrupt_stats {
            ticks: 1,
            max_softirq_ns: u64::MAX,
            ..Default::default()
        };
        let table = table(&stats);
        assert_eq!(table.lines().count(), 11);
        for line in [
            "ticks                              1  runs of the timer handler\n",
            "max_softirq_ns  18446744073709551615  longest tasklet run, nanoseconds\n",
        ] {
            assert!(table.contains(line), "{table}");
        }
    }
}
