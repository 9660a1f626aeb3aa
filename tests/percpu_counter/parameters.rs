//! The parameters of the module: good ones, bad ones, and one that changes while it is loaded.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use tests::{modinfo, Module};

use crate::node::{load, Node, PATH};

fn mode_of(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

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
    for (parameter, mode) in [
        (None, 0o600),
        (Some("mode=644"), 0o644),
        (Some("mode=0444"), 0o444),
        (Some("mode=0"), 0),
        (Some("mode=777"), 0o777),
    ] {
        let parameters: Vec<&str> = parameter.into_iter().collect();
        let module = load(&parameters);
        assert!(fs::metadata(PATH).unwrap().file_type().is_char_device());
        assert_eq!(mode_of(PATH), mode);
        assert_eq!(
            module.parameter("mode"),
            match mode {
                0 => "0".to_owned(),
                mode => format!("0{mode:o}"),
            }
        );
    }
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
    for bad in [
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
    ] {
        let refused = Module::load("percpu_counter", &[bad]);
        assert_eq!(refused.err(), Some(Errno::EINVAL), "{bad}");
        assert!(!Path::new(PATH).exists(), "{bad}");
    }
}

#[test]
fn a_bad_step_is_refused_and_the_old_one_stays() {
    let module = load(&["step_ms=250"]);
    for bad in ["0", "10001", "-1", "abc", "1 2", "99999999999999999999"] {
        let refused = module.set_parameter("step_ms", bad);
        assert_eq!(refused, Err(Errno::EINVAL), "{bad}");
        assert_eq!(module.parameter("step_ms"), "250", "{bad}");
    }
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
    let entries = modinfo("percpu_counter");
    for start in [
        "license=GPL",
        "author=",
        "description=",
        "parm=threads:",
        "parmtype=threads:bool",
        "parm=step_ms:",
        "parmtype=step_ms:uint",
        "parm=mode:",
        "parmtype=mode:octal",
    ] {
        let told = entries.iter().any(|entry| entry.starts_with(start));
        assert!(told, "{start} is missing from {entries:?}");
    }
}
