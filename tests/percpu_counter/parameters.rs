//! The parameters of the module: good ones, bad ones, and one that changes while it is loaded.

use nix::errno::Errno;
use tests::{
    assert_keeps, assert_modinfo, assert_node_has_the_mode_asked_for, assert_refused, mode_of,
};

use crate::node::{load, Node, PATH};

#[test]
fn defaults_are_as_documented() {
    let module = load(&[]);
    assert_eq!(module.parameter("threads"), "Y");
    assert_eq!(module.parameter("step_ms"), "100");
    assert_eq!(module.parameter("mode"), "0600");
    for (name, mode) in [("threads", 0o444), ("step_ms", 0o644), ("mode", 0o444)] {
        assert_eq!(mode_of(module.parameter_path(name)), mode, "{name}");
    }
}

#[test]
fn the_node_is_a_character_device_with_the_mode_that_was_asked_for() {
    assert_node_has_the_mode_asked_for("percpu_counter", PATH);
}

#[test]
fn bounds_are_taken() {
    for good in [
        "step_ms=1",
        "step_ms=10000",
        "threads=0",
        "threads=1",
        "threads",
    ] {
        let module = load(&[good]);
        let (name, given) = good.split_once('=').unwrap_or((good, "1"));
        let shown = module.parameter(name).replace('N', "0").replace('Y', "1");
        assert_eq!(shown, given, "{good}");
    }
}

#[test]
fn bad_values_are_refused_and_leave_no_node() {
    let bad = [
        "step_ms=0",
        "step_ms=10001",
        "step_ms=-1",
        "step_ms=abc",
        "step_ms=",
        "threads=maybe",
        "mode=888",
        "mode=1000",
        "mode=-1",
        "mode=rw",
    ];
    assert_refused("percpu_counter", PATH, &bad);
}

#[test]
fn a_bad_step_is_refused_and_the_old_one_stays() {
    let module = load(&["step_ms=250"]);
    let bad = ["0", "10001", "-1", "abc", "1 2", "99999999999999999999"];
    assert_keeps(&module, "step_ms", "250", &bad);
}

#[test]
fn a_refused_load_does_not_hinder_the_next() {
    let mut module = load(&[]);
    assert_eq!(module.remove(), Ok(()));
    assert_eq!(module.insert(&["step_ms=0"]), Err(Errno::EINVAL));
    assert_eq!(module.insert(&["step_ms=1"]), Ok(()));
    Node::open().table();
}

#[test]
fn modinfo_tells_what_it_is_and_what_it_takes() {
    let parameters = [
        "parm=threads:",
        "parmtype=threads:bool",
        "parm=step_ms:",
        "parmtype=step_ms:uint",
        "parm=mode:",
        "parmtype=mode:octal",
    ];
    assert_modinfo("percpu_counter", &parameters);
}
