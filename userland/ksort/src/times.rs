//! How long sorting took in the kernel, and how long it took here.

use std::time::Duration;

use abi::ksort::ksort_stats;
use clap::ValueEnum;
use cli::Align;

use crate::args::Algorithm;

/// One line that says what was done, and a table of what it took.
pub fn table(stats: &ksort_stats, type_name: &str, in_userland: Duration) -> String {
    let nanoseconds = Duration::from_nanos;
    let (copy_in, sort) = (nanoseconds(stats.copy_in_ns), nanoseconds(stats.sort_ns));
    let copy_out = nanoseconds(stats.copy_out_ns);
    let head = ["", "ms", "ns/number"].map(str::to_owned).to_vec();
    let lines = [
        ("copies to the kernel", copy_in),
        ("its sort", sort),
        ("copies from the kernel", copy_out),
        ("all of these", copy_in + sort + copy_out),
        ("sort_unstable in userland", in_userland),
    ];
    let rows = lines.map(|(what, time)| row(what, time, stats.elements));
    let table = cli::table(
        &[Align::Left, Align::Right, Align::Right],
        &[&[head][..], &rows].concat(),
    );
    format!(
        "{}, {type_name}: {}, {}\n{table}",
        count(stats.elements, "number"),
        algorithm(stats.algorithm),
        count(stats.workers.into(), "worker"),
    )
}

fn row(what: &str, time: Duration, elements: u64) -> Vec<String> {
    let nanoseconds = time.as_nanos() as f64;
    let mut row = vec![what.to_owned(), format!("{:.3}", nanoseconds / 1e6)];
    if elements > 0 {
        row.push(format!("{:.1}", nanoseconds / elements as f64));
    }
    row
}

pub fn count(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

fn algorithm(value: u32) -> String {
    let known = Algorithm::value_variants().iter();
    let known = known.filter(|algorithm| algorithm.value() == value);
    let mut names = known.filter_map(|algorithm| algorithm.to_possible_value());
    names.next().map_or_else(
        || format!("algorithm {value}"),
        |name| name.get_name().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: ksort_stats = ksort_stats {
        elements: 2_000,
        copy_in_ns: 100_000,
        sort_ns: 1_500_000,
        copy_out_ns: 250_400,
        algorithm: 4,
        workers: 3,
    };

    #[test]
    fn each_time_is_told_as_a_whole_and_for_each_number() {
        assert_eq!(
            table(&STATS, "i64", Duration::from_micros(4_000)),
            "2000 numbers, i64: parallel, 3 workers\n\
             \x20                             ms  ns/number\n\
             copies to the kernel       0.100       50.0\n\
             its sort                   1.500      750.0\n\
             copies from the kernel     0.250      125.2\n\
             all of these               1.850      925.2\n\
             sort_unstable in userland  4.000     2000.0\n"
        );
    }

    #[test]
    fn no_number_has_no_time() {
        let stats = ksort_stats {
            elements: 0,
            algorithm: 2,
            workers: 1,
            ..STATS
        };
        let table = table(&stats, "u32", Duration::ZERO);
        assert!(
            table.starts_with("0 numbers, u32: quick, 1 worker\n"),
            "{table}"
        );
        assert!(
            table.contains("\nits sort                   1.500\n"),
            "{table}"
        );
    }

    #[test]
    fn an_algorithm_of_a_later_module_is_told_by_its_number() {
        assert_eq!(algorithm(1), "heap");
        assert_eq!(algorithm(77), "algorithm 77");
    }
}
