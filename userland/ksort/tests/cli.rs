//! The program as its user sees it, where no node is needed; the tests in the guest run it on the
//! real one.

use std::fs;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use place::Place;

/// Numbers from everywhere, and every way of using them.
const USES: [&[&str]; 6] = [
    &["3", "-1", "2"],
    &[],
    &["--file", "-", "--reverse"],
    &["--random", "10", "--check"],
    &[
        "--random",
        "0",
        "--seed",
        "1",
        "--pattern",
        "sorted",
        "--time",
    ],
    &[
        "--type",
        "u64",
        "--algorithm",
        "heap",
        "--check",
        "--time",
        "18446744073709551615",
    ],
];

fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_ksort"), "ksort")
}

#[test]
fn wrong_arguments_are_status_2() {
    for args in [
        &["--random", "some"][..],
        &["--random", "-1"],
        &["--random", "5", "--pattern", "zigzag"],
        &["--random", "5", "--seed", "-1"],
        &["--type", "i16", "1"],
        &["--algorithm", "bogo", "1"],
        &["--order", "up", "1"],
        &["--file"],
    ] {
        place().refuses(args);
    }
}

#[test]
fn numbers_come_from_one_place_only() {
    for args in [
        &["1", "--file", "numbers"][..],
        &["--file", "-", "1"],
        &["1", "--random", "5"],
        &["--random", "5", "-1"],
        &["--file", "numbers", "--random", "5"],
        &["--seed", "1", "1"],
        &["--pattern", "random", "1"],
        &["--seed", "0", "--file", "numbers"],
        &["--pattern", "sorted"],
    ] {
        place().refuses(args);
    }
}

#[test]
fn an_argument_that_is_no_number_of_the_type_is_named() {
    for (args, at, range) in [
        (
            &["3", "x", "y"][..],
            "number 2 of the arguments: \"x\" is no i32",
            "from -2147483648 to 2147483647",
        ),
        (
            &["2147483648"],
            "number 1 of the arguments: \"2147483648\" is no i32",
            "",
        ),
        (
            &["--type", "u32", "0", "1", "-1"],
            "number 3 of the arguments: \"-1\" is no u32",
            "from 0 to 4294967295",
        ),
        (
            &["--type", "i64", "-9223372036854775809"],
            "\"-9223372036854775809\" is no i64",
            "from -9223372036854775808 to 9223372036854775807",
        ),
        (
            &["--type", "u64", "18446744073709551616"],
            "\"18446744073709551616\" is no u64",
            "from 0 to 18446744073709551615",
        ),
        (&["1.5", "--check"], "\"1.5\" is no i32", ""),
        (
            &["", "--time"],
            "number 1 of the arguments: \"\" is no i32",
            "",
        ),
    ] {
        let place = place();
        place.refuses(args);
        let told = place.message(&place.run(args));
        assert!(
            told.contains(at) && told.contains(range),
            "{args:?}: {told}"
        );
    }
}

#[test]
fn a_missing_node_is_status_3_and_asks_for_its_module() {
    for args in USES {
        place().fails(args, "ksort: NODE: not there; is ksort.ko loaded?\n");
    }
}

#[test]
fn another_file_is_status_3_and_keeps_what_it_holds() {
    for args in USES {
        let place = place();
        fs::write(&place.path, "precious").unwrap();
        place.fails(args, "ksort: NODE: does not sort; is it a ksort node?\n");
        assert_eq!(fs::read(&place.path).unwrap(), b"precious", "{args:?}");
    }
}

#[test]
fn a_fifo_does_not_keep_the_program_waiting() {
    let place = place();
    mkfifo(&place.path, Mode::S_IRWXU).unwrap();
    place.fails(&["1"], "ksort: NODE: does not sort; is it a ksort node?\n");
}

#[test]
fn a_file_that_cannot_be_opened_is_status_3() {
    let place = place();
    let missing = place.path.with_file_name("numbers");
    let missing = missing.to_str().unwrap();
    place.fails(
        &["--file", missing],
        &format!("ksort: {missing}: cannot open: No such file or directory (os error 2)\n"),
    );
}

#[test]
fn help_tells_of_every_choice_and_every_exit_status() {
    let texts = [
        "--file",
        "--random",
        "--check",
        "--time",
        "[possible values: i32, u32, i64, u64]",
        "- few-distinct:",
        "- organ-pipe:",
        "- parallel:",
        "xoshiro256++",
        "Exit status:\n  0  done",
    ];
    place().help_tells(&texts, &[1, 2, 3]);
}

#[test]
fn the_exit_statuses_hold_whoever_listens() {
    place().keeps_its_statuses_whoever_listens();
}
