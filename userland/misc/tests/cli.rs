//! The program as its user sees it, where no node is needed; the tests in the guest run it on the
//! real ones.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use place::Place;

/// Every way of using the program on a node.
const VERBS: [&[&str]; 6] = [
    &["get"],
    &["set", "text"],
    &["stats"],
    &["stats", "--json"],
    &["stats", "--reset"],
    &["hammer", "--seconds", "0.1"],
];

fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_misc"), "misc_mutex")
}

#[test]
fn wrong_arguments_are_status_2() {
    for args in [
        &[][..],
        &["fetch"],
        &["get", "more"],
        &["set", "two", "words"],
        &["stats", "--json", "--reset"],
        &["hammer", "--readers", "-1"],
        &["hammer", "--writers", "1001"],
        &["hammer", "--seconds", "soon"],
        &["hammer", "--readers", "0", "--writers", "0"],
    ] {
        place().refuses(args);
    }
}

#[test]
fn a_missing_node_is_status_3_and_asks_for_its_module() {
    for args in VERBS {
        place().fails(args, "misc: NODE: not there; is misc_mutex.ko loaded?\n");
    }
}

#[test]
fn another_file_is_status_3_and_keeps_what_it_holds() {
    for args in VERBS {
        let place = place();
        fs::write(&place.path, "precious").unwrap();
        place.fails(args, "misc: NODE: has no statistics; is it a misc node?\n");
        assert_eq!(fs::read(&place.path).unwrap(), b"precious", "{args:?}");
    }
}

#[test]
fn a_fifo_does_not_keep_the_program_waiting() {
    let place = place();
    mkfifo(&place.path, Mode::S_IRWXU).unwrap();
    place.fails(
        &["get"],
        "misc: NODE: has no statistics; is it a misc node?\n",
    );
    place.fails(
        &["set", "text"],
        "misc: NODE: no device behind it; is misc_mutex.ko loaded?\n",
    );
}

#[test]
fn a_folder_is_status_3() {
    let place = place();
    fs::create_dir(&place.path).unwrap();
    place.fails(
        &["set", "text"],
        "misc: NODE: cannot open: Is a directory (os error 21)\n",
    );
}

#[test]
fn standard_input_that_has_no_end_is_not_read_to_its_end() {
    let place = place();
    let mut child = place
        .command(&["set"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&[b'a'; 129]).unwrap();
    // The pipe is still open, but what came is more than a message can have.
    let patience = Instant::now() + Duration::from_secs(20);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > patience {
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(status.code(), Some(3));
}

#[test]
fn help_tells_of_every_verb_and_every_exit_status() {
    let texts = [
        "get",
        "set",
        "stats",
        "hammer",
        "Exit status:\n  0  done\n  1  ",
    ];
    place().help_tells(&texts, &[2, 3]);
}

#[test]
fn the_exit_statuses_hold_whoever_listens() {
    place().keeps_its_statuses_whoever_listens();
}
