//! The statistics, for people and for programs.

use std::collections::BTreeMap;

use abi::misc::misc_stats;
use anyhow::{Context, Result};
use cli::Align;

/// Each counter's name, value and meaning.
fn rows(stats: &misc_stats) -> [(&'static str, u64, &'static str); 8] {
    // Taken apart field by field, so that a new counter cannot be forgotten here.
    let misc_stats {
        generation,
        length,
        bytes_read,
        bytes_written,
        opens,
        errors,
        messages,
        references,
    } = *stats;
    [
        (
            "generation",
            generation,
            "how often the message was replaced",
        ),
        ("length", length, "bytes of the message"),
        ("bytes_read", bytes_read, "bytes that readers got"),
        (
            "bytes_written",
            bytes_written,
            "bytes of the messages that were written",
        ),
        ("opens", opens, "times that the node was opened"),
        ("errors", errors, "reads, writes and ioctls that failed"),
        (
            "messages",
            messages,
            "messages in memory, old ones that are not yet freed among them",
        ),
        (
            "references",
            references,
            "references to messages (misc_refcount; 0 elsewhere)",
        ),
    ]
}

/// One line for each counter: its name, its value, its meaning.
pub fn table(stats: &misc_stats) -> String {
    let rows = rows(stats)
        .map(|(name, value, meaning)| vec![name.to_owned(), value.to_string(), meaning.to_owned()]);
    cli::table(&[Align::Left, Align::Right, Align::Left], &rows)
}

/// One line, an object with a number for each counter.
pub fn json(stats: &misc_stats) -> Result<String> {
    let counters: BTreeMap<_, _> = rows(stats)
        .into_iter()
        .map(|(name, value, _)| (name, value))
        .collect();
    let json = serde_json::to_string(&counters).context("cannot make JSON of the statistics")?;
    Ok(json + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: misc_stats = misc_stats {
        generation: 1,
        length: 2,
        bytes_read: 3,
        bytes_written: 4,
        opens: 5,
        errors: 6,
        messages: 7,
        references: u64::MAX,
    };

    #[test]
    fn each_counter_has_a_line_with_its_own_value() {
        let table = table(&STATS);
        assert_eq!(table.lines().count(), 8);
        for line in [
            "bytes_read                        3  bytes that readers got\n",
            "errors                            6  reads, writes and ioctls that failed\n",
        ] {
            assert!(table.contains(line), "{table}");
        }
    }

    #[test]
    fn json_is_one_line_with_every_number_whole() {
        assert_eq!(
            json(&STATS).unwrap(),
            "{\"bytes_read\":3,\"bytes_written\":4,\"errors\":6,\"generation\":1,\"length\":2,\
             \"messages\":7,\"opens\":5,\"references\":18446744073709551615}\n"
        );
    }
}
