//! The parameters of the module: good ones, bad ones, and one that changes while it is loaded.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tests::{assert_keeps, assert_modinfo, assert_refused, mode_of};

use crate::node::{assert_contiguous, load, Node, PATH};

#[test]
fn defaults_are_as_documented() {
    let module = load(&[]);
    assert_eq!(module.parameter("delay_ms"), "100");
    assert_eq!(module.parameter("period_us"), "0");
    assert_eq!(module.parameter("log"), "Y");
}

#[test]
fn values_at_the_bounds_are_taken() {
    for good in [
        "delay_ms=1",
        "delay_ms=10000",
        "period_us=0",
        "period_us=10",
        "period_us=1000000",
        "log=0",
        "log=1",
        "log=n",
        "log=y",
    ] {
        let (name, _) = good.split_once('=').unwrap();
        let module = load(&[good]);
        let shown = module.parameter(name).replace('N', "0").replace('Y', "1");
        let given = good.replace("=n", "=0").replace("=y", "=1");
        assert_eq!(format!("{name}={shown}"), given);
    }
}

#[test]
fn bad_values_are_refused_and_leave_no_node() {
    let bad = [
        "delay_ms=0",
        "delay_ms=10001",
        "delay_ms=-1",
        "delay_ms=abc",
        "delay_ms=",
        "period_us=9",
        "period_us=1",
        "period_us=1000001",
        "period_us=-10",
        "period_us=abc",
        "log=maybe",
    ];
    assert_refused("simrupt", PATH, &bad);
}

#[test]
fn a_refused_load_does_not_hinder_the_next() {
    let mut module = load(&["log=0"]);
    module.remove().expect("simrupt does not unload");
    assert_eq!(module.insert(&["delay_ms=0"]), Err(Errno::EINVAL));
    assert_eq!(module.insert(&["log=0", "delay_ms=1"]), Ok(()));
    assert_contiguous(&Node::open().read_exactly(3));
}

#[test]
fn the_node_is_a_character_device_for_its_owner_alone() {
    let _module = load(&[]);
    assert!(fs::metadata(PATH).unwrap().file_type().is_char_device());
    assert_eq!(mode_of(PATH), 0o600);
}

#[test]
fn the_node_goes_with_the_module() {
    let mut module = load(&[]);
    module.remove().expect("simrupt does not unload");
    assert!(!Path::new(PATH).exists());
}

#[test]
fn delay_ms_can_be_written_and_period_us_cannot() {
    let module = load(&[]);
    assert_eq!(mode_of(module.parameter_path("delay_ms")), 0o644);
    assert_eq!(mode_of(module.parameter_path("period_us")), 0o444);
}

#[test]
fn delay_ms_takes_effect_while_the_timer_runs() {
    let module = load(&["log=0", "delay_ms=200"]);
    let node = Node::open();
    node.read_exactly(1);
    module.set_parameter("delay_ms", "1").unwrap();
    assert_eq!(module.parameter("delay_ms"), "1");

    let start = Instant::now();
    node.read_exactly(100);
    let elapsed = start.elapsed();
    // 20 s with the old delay, about half a second with the new one.
    assert!(
        elapsed < Duration::from_secs(10),
        "100 bytes took {elapsed:?}"
    );

    node.still(&module);
}

#[test]
fn a_bad_delay_ms_is_refused_and_the_old_one_stays() {
    let module = load(&["delay_ms=250"]);
    let bad = ["0", "10001", "-1", "abc", "1 2", "99999999999999999999"];
    assert_keeps(&module, "delay_ms", "250", &bad);
}

#[test]
fn modinfo_tells_what_it_is_and_what_it_takes() {
    let parameters = [
        "parm=delay_ms:",
        "parmtype=delay_ms:",
        "parm=period_us:",
        "parmtype=period_us:",
        "parm=log:",
        "parmtype=log:bool",
    ];
    assert_modinfo("simrupt", &parameters);
}
