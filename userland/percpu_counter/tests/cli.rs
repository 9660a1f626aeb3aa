//! The program as its user sees it, where no node is needed; the tests in the guest run it on the
//! real one.

use std::fs;

use place::Place;

/// Every way of using the program on a node.
const VERBS: [&[&str]; 5] = [
    &["show"],
    &["show", "--json"],
    &["count", "1"],
    &["watch", "--seconds", "0.1"],
    &["reset"],
];

fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_percpu_counter"), "node")
}

#[test]
fn wrong_arguments_are_status_2() {
    for args in [
        &[][..],
        &["list"],
        &["show", "more"],
        &["count"],
        &["count", "-1"],
        &["count", "some"],
        &["count", "1", "--cpu", "first"],
        &["count", "1", "--bytes", "0"],
        &["count", "1", "--bytes", "1073741825"],
        &["watch", "--interval", "0"],
        &["watch", "--interval", "0.009"],
        &["watch", "--seconds", "soon"],
    ] {
        place().refuses(args);
    }
}

#[test]
fn a_missing_node_is_status_3_and_asks_for_its_module() {
    for args in VERBS {
        place().fails(
            args,
            "percpu_counter: NODE: not there; is percpu_counter.ko loaded?\n",
        );
    }
}

#[test]
fn another_file_is_status_3_and_keeps_what_it_holds() {
    for args in VERBS {
        let place = place();
        fs::write(&place.path, "precious").unwrap();
        place.fails(
            args,
            "percpu_counter: NODE: has no counts; is it a percpu_counter?\n",
        );
        assert_eq!(fs::read(&place.path).unwrap(), b"precious", "{args:?}");
    }
}

#[test]
fn help_tells_of_every_verb_and_every_exit_status() {
    let texts = ["show", "count", "watch", "reset", "Exit status:\n  0  done"];
    place().help_tells(&texts, &[2, 3]);
}

#[test]
fn the_exit_statuses_hold_whoever_listens() {
    place().keeps_its_statuses_whoever_listens();
}
