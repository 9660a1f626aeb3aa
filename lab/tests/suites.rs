//! `lab suites` with a test program of its own, in real guests: parts of all, and what other programs
//! read.

mod test_programs;

use std::fs;
use std::process::Output;
use test_programs::Suites;

/// The cells of the table, without the times.
fn cells(output: &Output) -> Vec<Vec<String>> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let rows = text.lines().filter(|line| !line.contains("---"));
    let cell = |cell: &str| cell.trim().trim_end_matches(" s").to_owned();
    rows.map(|row| row.trim_matches('|').split('|').map(cell).collect())
        .collect()
}

#[test]
fn the_parts_have_all_suites_between_them_and_others_read_the_results() {
    let suites = Suites::new();
    let [junit, ktap] = ["junit.xml", "ktap"].map(|name| suites.path(name));
    let reports = [
        "--junit",
        junit.to_str().unwrap(),
        "--ktap",
        ktap.to_str().unwrap(),
    ];
    // In the order of their names, each for 1 CPU and then for 2, every second one: all of a's.
    let options = [&["--cpus", "1,2", "--shard", "1/2"], &reports[..]].concat();
    let output = suites.run(&options);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("only <1>"), "{said}");
    let table = cells(&output);
    assert_eq!(table[0], ["suite", "arm64, 1 CPU", "arm64, 2 CPUs"]);
    assert_eq!(
        (table.len(), &*table[1][0], &*table[1][1]),
        (2, "a", "1 FAILED"),
        "{table:?}"
    );
    assert!(table[1][2].starts_with("2, "), "{table:?}");

    let text = fs::read_to_string(junit).unwrap();
    for part in [
        "name=\"a (arm64, 1 CPU)\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\"",
        "only &lt;1&gt;",
        "name=\"a (arm64, 2 CPUs)\" tests=\"3\" failures=\"0\"",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    let text = fs::read_to_string(ktap).unwrap();
    for part in [
        "\n1..2\n",
        "  # Subtest: a (arm64, 1 CPU)\n  1..3\n",
        " fails_on_one_cpu\nnot ok 1 a (arm64, 1 CPU)\n",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }

    // What the other part has found stays.
    let output = suites.run(&["--cpus", "1,2", "--shard", "2/2"]);
    let table = cells(&output);
    assert_eq!(
        (output.status.code(), table.len()),
        (Some(1), 3),
        "{table:?}"
    );
    assert_eq!(
        (&*table[1][1], &*table[2][1]),
        ("1 FAILED", "1 FAILED"),
        "{table:?}"
    );
    let output = suites.run(&["--cpus", "2"]);
    assert_eq!(output.status.code(), Some(0));
}
