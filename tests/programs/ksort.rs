//! The program `ksort` on the real node.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use tests::{asleep_in_read, at_once, text, time_in_kernel, until, wrote, Asleep, Module, Program};

const KSORT: Program = Program("ksort");

const TYPES: [&str; 4] = ["i32", "u32", "i64", "u64"];

const ALGORITHMS: [&str; 5] = ["auto", "heap", "quick", "radix", "parallel"];

const PATTERNS: [&str; 7] = [
    "random",
    "sorted",
    "reversed",
    "few-distinct",
    "organ-pipe",
    "all-equal",
    "extremes",
];

fn load(parameters: &[&str]) -> Module {
    Module::load("ksort", parameters).expect("ksort.ko does not load")
}

fn start(args: &[&str]) -> Child {
    let mut command = KSORT.command(args);
    command.stdin(Stdio::piped()).spawn().unwrap()
}

/// Runs the program with `input` as its standard input.
fn with_input(args: &[&str], input: &[u8]) -> Output {
    let mut child = start(args);
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

/// A file that is there for the length of a test.
struct Numbers(PathBuf);

impl Numbers {
    fn new(name: &str, text: &str) -> Numbers {
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Numbers(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn lines<T: ToString>(numbers: &[T]) -> String {
    numbers.iter().map(|n| n.to_string() + "\n").collect()
}

#[test]
fn numbers_of_the_arguments_are_sorted() {
    let _module = load(&[]);
    assert_eq!(KSORT.writes(&["3", "-1", "2"]), "-1\n2\n3\n");
    assert_eq!(KSORT.writes(&["-5", "-r", "3", "-1"]), "3\n-1\n-5\n");
    assert_eq!(KSORT.writes(&["7"]), "7\n");
}

#[test]
fn numbers_of_standard_input_are_sorted_if_there_are_no_others() {
    let _module = load(&[]);
    for args in [&[][..], &["--file", "-"]] {
        let output = with_input(args, b"3 -1\n\n 2\t3");
        assert_eq!(wrote(&output, args), "-1\n2\n3\n3\n");
        assert_eq!(wrote(&with_input(args, b""), args), "");
    }
    assert_eq!(wrote(&with_input(&["2", "1"], b""), &[]), "1\n2\n");
}

#[test]
fn numbers_of_a_file_are_sorted() {
    let _module = load(&[]);
    // More than the program reads and writes at a time, with equal ones.
    let mut numbers: Vec<i64> = (0..70_001)
        .map(|n: i64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) >> (n % 60))
        .collect();
    let file = Numbers::new("numbers", &lines(&numbers));
    numbers.sort_unstable();
    let args = ["--type", "i64", "--file", file.path()];
    assert!(KSORT.writes(&args) == lines(&numbers));
    numbers.reverse();
    let args = ["--type", "i64", "--reverse", "--file", file.path()];
    assert!(KSORT.writes(&args) == lines(&numbers));
}

#[test]
fn each_type_has_its_own_order() {
    let _module = load(&[]);
    for (name, sorted) in [
        ("i32", ["-2147483648", "-1", "0", "2147483647"]),
        ("u32", ["0", "2147483647", "2147483648", "4294967295"]),
        (
            "i64",
            ["-9223372036854775808", "-1", "0", "9223372036854775807"],
        ),
        (
            "u64",
            [
                "0",
                "9223372036854775807",
                "9223372036854775808",
                "18446744073709551615",
            ],
        ),
    ] {
        let [a, b, c, d] = sorted;
        for algorithm in ALGORITHMS {
            let args = ["--type", name, "--algorithm", algorithm, c, a, d, b];
            assert_eq!(KSORT.writes(&args), lines(&sorted), "{args:?}");
            let reversed = KSORT.writes(&[&args[..], &["--reverse"]].concat());
            assert_eq!(reversed, lines(&[d, c, b, a]), "{args:?}");
        }
    }
}

#[test]
fn random_numbers_are_the_same_for_the_same_seed() {
    let _module = load(&[]);
    let of = |seed, length| KSORT.writes(&["--random", length, "--seed", seed]);
    assert_eq!(
        of("1", "4"),
        "-1717338793\n1057493407\n1061306674\n1338364031\n"
    );
    let first = of("5", "1000");
    assert_eq!(first.lines().count(), 1000);
    assert_eq!(first, of("5", "1000"));
    assert_ne!(first, of("6", "1000"));
    assert_eq!(of("0", "2"), KSORT.writes(&["--random", "2"]));
    assert_eq!(of("0", "0"), "");
}

#[test]
fn every_pattern_is_sorted_well_by_every_algorithm() {
    let _module = load(&[]);
    let mut reverse = false;
    for name in TYPES {
        for pattern in PATTERNS {
            for algorithm in ALGORITHMS {
                let mut args = vec!["--random", "1000", "--check", "--type", name];
                args.extend(["--pattern", pattern, "--algorithm", algorithm]);
                if reverse {
                    args.push("--reverse");
                }
                reverse = !reverse;
                let well = "1000 numbers: in order, a permutation of the input\n";
                assert_eq!(KSORT.writes(&args), well, "{args:?}");
            }
        }
    }
}

#[test]
fn ten_million_numbers_are_sorted_well() {
    let _module = load(&[]);
    assert_eq!(
        KSORT.writes(&["--random", "10000000", "--check"]),
        "10000000 numbers: in order, a permutation of the input\n"
    );
}

/// The milliseconds of each line of a table of times, and the numbers in its last column.
fn times(table: &str) -> Vec<(f64, Option<f64>)> {
    let number = |word: &str| word.parse::<f64>().ok();
    let times = table.lines().skip(2).map(|line| {
        let mut words = line.rsplit(' ').filter(|word| !word.is_empty());
        let (last, other) = (words.next().and_then(number), words.next().and_then(number));
        match (last, other) {
            (last, Some(time)) => (time, last),
            (time, None) => (time.unwrap(), None),
        }
    });
    times.collect()
}

#[test]
fn time_tells_what_the_kernel_spent_and_on_what() {
    let _module = load(&[]);
    for (algorithm, length, ran) in [
        ("auto", "100", "quick, 1 worker"),
        ("auto", "10000", "radix, 1 worker"),
        ("heap", "10000", "heap, 1 worker"),
        ("quick", "10000", "quick, 1 worker"),
        ("radix", "10", "radix, 1 worker"),
        ("parallel", "100000", "parallel, "),
    ] {
        let table = KSORT.writes(&["--time", "--random", length, "--algorithm", algorithm]);
        let begin = format!("{length} numbers, i32: {ran}");
        assert!(table.starts_with(&begin), "{algorithm}: {table}");
        let times = times(&table);
        assert_eq!(times.len(), 5, "{table}");
        let sum: f64 = times[..3].iter().map(|(time, _)| time).sum();
        // Each was rounded.
        assert!((times[3].0 - sum).abs() < 0.003, "{table}");
        assert!(times[1].0 > 0.0 && times[4].0 > 0.0, "{table}");
        for (time, of_each) in times {
            let expected = time * 1e6 / length.parse::<f64>().unwrap();
            let rounding = 0.051 + 501.0 / length.parse::<f64>().unwrap();
            let difference = of_each.unwrap() - expected;
            assert!(difference.abs() < rounding, "{table}");
        }
    }
}

#[test]
fn time_of_no_numbers_has_none_of_each() {
    let _module = load(&[]);
    let table = wrote(&with_input(&["--time", "--type", "u64"], b""), &["--time"]);
    assert!(
        table.starts_with("0 numbers, u64: quick, 1 worker\n"),
        "{table}"
    );
    assert!(
        times(&table).iter().all(|(_, of_each)| of_each.is_none()),
        "{table}"
    );
}

#[test]
fn check_and_time_are_told_one_after_the_other() {
    let _module = load(&[]);
    let told = wrote(&with_input(&["--time", "--check"], b"2 1"), &[]);
    let begin =
        "2 numbers: in order, a permutation of the input\n2 numbers, i32: quick, 1 worker\n";
    assert!(told.starts_with(begin), "{told}");
}

#[test]
fn what_is_no_number_is_an_error_and_nothing_is_printed() {
    let _module = load(&[]);
    let file = Numbers::new("no-numbers", "1\n2 3\n4 five 6\n");
    KSORT.assert_complained(
        &KSORT.run(&["--file", file.path()]),
        &format!(
            "{}: line 3: \"five\" is no i32; give whole decimal numbers from -2147483648 to \
             2147483647",
            file.path()
        ),
    );
    // Where much was given to the node before.
    let mut numbers = "7\n".repeat(200_000);
    numbers += "-1\n";
    KSORT.assert_complained(
        &with_input(&["--type", "u32", "--check"], numbers.as_bytes()),
        "standard input: line 200001: \"-1\" is no u32; give whole decimal numbers from 0 to \
         4294967295",
    );
    let output = KSORT.run(&["1", "4294967296"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
}

const TOO_LARGE: &str = "/dev/ksort: the set is larger than the module takes (EFBIG); write more \
    MiB, up to 256, to /sys/module/ksort/parameters/max_mib";

#[test]
fn a_set_that_is_too_large_is_an_error_that_says_where_to_allow_it() {
    let _module = load(&["max_mib=1"]);
    for (name, most) in [("i32", 262_144), ("u64", 131_072)] {
        let run =
            |length: u32, what| KSORT.run(&["--type", name, "--random", &length.to_string(), what]);
        let well = format!("{most} numbers: in order, a permutation of the input\n");
        assert_eq!(wrote(&run(most, "--check"), &[name]), well);
        KSORT.assert_complained(&run(most + 1, "--check"), TOO_LARGE);
        KSORT.assert_complained(&run(most + 1, "--reverse"), TOO_LARGE);
    }
    fs::write("/sys/module/ksort/parameters/max_mib", "2").unwrap();
    let printed = KSORT.writes(&["--random", "262145"]);
    assert_eq!(printed.lines().count(), 262_145);
}

#[test]
fn standard_input_that_has_no_end_is_not_read_to_its_end() {
    let _module = load(&["max_mib=1"]);
    let mut child = start(&[]);
    let mut input = child.stdin.take().unwrap();
    let writer = thread::spawn(move || while input.write_all(&b"1\n".repeat(10_000)).is_ok() {});
    KSORT.assert_complained(&child.wait_with_output().unwrap(), TOO_LARGE);
    writer.join().unwrap();
}

#[test]
fn a_closed_output_ends_the_program_quietly() {
    let _module = load(&[]);
    let mut child = start(&["--random", "1000000"]);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert!(line.starts_with("-2147"), "{line}");
    drop(output);
    assert_eq!(wrote(&child.wait_with_output().unwrap(), &[]), "");
}

#[test]
fn an_output_that_is_full_is_an_error() {
    let _module = load(&[]);
    for args in [&["2", "1"][..], &["2", "1", "--check"], &["1", "--time"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        KSORT.assert_complained(
            &KSORT.command(args).stdout(full).output().unwrap(),
            "standard output: cannot write: ENOSPC: No space left on device",
        );
    }
}

#[test]
fn a_signal_ends_the_program_while_it_waits_for_numbers() {
    let module = load(&[]);
    for kind in [Signal::SIGINT, Signal::SIGTERM] {
        let mut child = start(&[]);
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"3 1 2\n").unwrap();
        let task = Asleep::Process(Pid::from_raw(child.id() as i32));
        until("ksort reads", || asleep_in_read(&task, &0));
        signal(&child, kind);
        let output = at_once(|| child.wait_with_output().unwrap());
        assert_eq!(output.status.signal(), Some(kind as i32));
        assert_eq!(text(&output.stdout) + &text(&output.stderr), "");
        assert_eq!(module.references(), 0);
    }
}

#[test]
fn a_signal_ends_the_sort_in_the_kernel() {
    let module = load(&[]);
    // So many and so slowly that it takes much longer than what is measured here.
    let mut child = start(&["--random", "16777216", "--algorithm", "heap"]);
    let task = Asleep::Process(Pid::from_raw(child.id() as i32));
    until("ksort has been in the kernel for a second", || {
        time_in_kernel(&task) > Duration::from_secs(1)
    });
    signal(&child, Signal::SIGINT);
    let status = at_once(|| child.wait().unwrap());
    assert_eq!(status.signal(), Some(Signal::SIGINT as i32));
    assert_eq!(module.references(), 0);
}

#[test]
fn a_signal_ends_the_program_in_the_midst_of_its_output_and_not_with_success() {
    let module = load(&[]);
    let mut child = start(&["--random", "1000000"]);
    // The first byte says that it prints, and the pipe has no room for all.
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut [0]).unwrap();
    signal(&child, Signal::SIGTERM);
    let status = at_once(|| child.wait().unwrap());
    assert_eq!(status.signal(), Some(Signal::SIGTERM as i32));
    assert_eq!(module.references(), 0);
}

#[test]
fn a_stranger_may_sort_if_the_mode_says_so() {
    let stranger = |args: &[&str]| {
        let mut command = KSORT.command(args);
        command.uid(65534).gid(65534).output().unwrap()
    };
    let mut module = load(&[]);
    KSORT.assert_complained(
        &stranger(&["2", "1"]),
        "/dev/ksort: permission denied; the node is root's, so try as root",
    );
    module.reload(&["mode=0666"]);
    assert_eq!(wrote(&stranger(&["2", "1"]), &[]), "1\n2\n");
}

#[test]
fn a_missing_node_is_an_error_that_asks_for_its_module() {
    let mut module = load(&[]);
    module.remove().expect("ksort does not unload");
    KSORT.assert_complained(
        &KSORT.run(&["2", "1"]),
        "/dev/ksort: not there; is ksort.ko loaded?",
    );
}

#[test]
fn a_node_of_another_kind_is_an_error() {
    for args in [&["2", "1"][..], &["--random", "5", "--check"], &[]] {
        KSORT.assert_complained(
            &KSORT.run(&[&["--node", "/dev/null"], args].concat()),
            "/dev/null: does not sort; is it a ksort node?",
        );
    }
}
