//! The parameters of the module: good ones, bad ones, and one that changes while it is loaded.

use nix::errno::Errno;
use tests::{
    assert_keeps, assert_modinfo, assert_node_has_the_mode_asked_for, assert_refused, mode_of,
};

use crate::node::{load, Node, PATH};

#[test]
fn defaults_are_as_documented() {
    let module = load(&[]);
    assert_eq!(module.parameter("max_mib"), "64");
    assert_eq!(module.parameter("mode"), "0600");
    for (name, mode) in [("max_mib", 0o644), ("mode", 0o444)] {
        assert_eq!(mode_of(module.parameter_path(name)), mode, "{name}");
    }
}

#[test]
fn the_node_is_a_character_device_with_the_mode_that_was_asked_for() {
    assert_node_has_the_mode_asked_for("ksort", PATH);
}

#[test]
fn bounds_are_taken() {
    for good in ["1", "256"] {
        let module = load(&[&format!("max_mib={good}")]);
        assert_eq!(module.parameter("max_mib"), good);
    }
}

#[test]
fn bad_values_are_refused_and_leave_no_node() {
    let bad = [
        "max_mib=0",
        "max_mib=257",
        "max_mib=-1",
        "max_mib=4294967297",
        "max_mib=abc",
        "max_mib=",
        "mode=888",
        "mode=1000",
        "mode=-1",
        "mode=rw",
    ];
    assert_refused("ksort", PATH, &bad);
}

#[test]
fn a_bad_limit_is_refused_and_the_old_one_stays() {
    let module = load(&["max_mib=2"]);
    let bad = ["0", "257", "-1", "abc", "1 2", "99999999999999999999"];
    assert_keeps(&module, "max_mib", "2", &bad);
    let node = Node::open();
    node.write_all(&[0; 2 << 20]);
    assert_eq!(node.write(&[0]), Err(Errno::EFBIG));
}

#[test]
fn a_refused_load_does_not_hinder_the_next() {
    let mut module = load(&[]);
    assert_eq!(module.remove(), Ok(()));
    assert_eq!(module.insert(&["max_mib=0"]), Err(Errno::EINVAL));
    assert_eq!(module.insert(&["max_mib=1"]), Ok(()));
    assert_eq!(Node::open().read(1), Ok(vec![]));
}

#[test]
fn modinfo_tells_what_it_is_and_what_it_takes() {
    let parameters = [
        "parm=max_mib:",
        "parmtype=max_mib:uint",
        "parm=mode:",
        "parmtype=mode:octal",
    ];
    assert_modinfo("ksort", &parameters);
}
