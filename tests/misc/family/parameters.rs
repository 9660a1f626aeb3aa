//! The parameters, and the node that they make.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileTypeExt;
use std::thread;

use nix::errno::Errno;
use nix::unistd::{setfsgid, setfsuid, Gid, Uid};
use tests::{assert_modinfo, mode_of};

use super::node::{current, load, path, MAX};
use crate::MEMBER;

fn mode_of_node() -> u32 {
    let node = fs::metadata(path()).expect("the node is not there");
    assert!(node.file_type().is_char_device());
    mode_of(path())
}

#[test]
fn the_node_is_for_its_owner_alone_unless_told_otherwise() {
    let module = load(&[]);
    assert_eq!(mode_of_node(), 0o600);
    assert_eq!(module.parameter("mode"), "0600");
}

#[test]
fn mode_is_octal_with_and_without_a_zero_before_it() {
    for (given, mode, shown) in [
        ("644", 0o644, "0644"),
        ("0644", 0o644, "0644"),
        ("666", 0o666, "0666"),
        ("777", 0o777, "0777"),
        ("0", 0, "0"),
        ("0000", 0, "0"),
        ("00640", 0o640, "0640"),
    ] {
        let module = load(&[&format!("mode={given}")]);
        assert_eq!(mode_of_node(), mode, "mode={given}");
        assert_eq!(module.parameter("mode"), shown, "mode={given}");
    }
}

#[test]
fn what_is_no_mode_is_refused_and_leaves_no_node() {
    let mut module = load(&[]);
    module.remove().expect("it does not unload");
    for bad in [
        "mode=888",
        "mode=648",
        "mode=1000",
        "mode=7777",
        "mode=-1",
        "mode=0x1ff",
        "mode=rw",
        "mode=",
        "mode=\"644 x\"",
        "mode=99999999999",
        "mode",
    ] {
        assert_eq!(module.insert(&[bad]), Err(Errno::EINVAL), "{bad}");
        assert!(!path().exists(), "{bad} left a node behind");
    }
}

#[test]
fn a_first_message_that_is_too_long_is_refused_with_a_line() {
    let mut module = load(&["initmsg=short"]);
    module.remove().expect("it does not unload");
    let before = module.lines().len();
    let long = "m".repeat(MAX + 1);
    for bad in [long.as_str(), &"m".repeat(1000)] {
        assert_eq!(
            module.insert(&[&format!("initmsg={bad}")]),
            Err(Errno::EINVAL)
        );
        assert!(!path().exists());
    }
    let lines = module.lines();
    let told = |line: &&tests::Record| line.text.contains("initmsg");
    assert_eq!(lines[before..].iter().filter(told).count(), 2, "{lines:?}");

    // Its length counts, not its characters.
    let wide = "\u{e9}".repeat(MAX / 2);
    assert_eq!(
        module.insert(&[&format!("initmsg={wide}x")]),
        Err(Errno::EINVAL)
    );
    assert_eq!(module.insert(&[&format!("initmsg={wide}")]), Ok(()));
    assert_eq!(current(), wide.as_bytes());
}

/// Opens the node as somebody who is neither its owner nor in its group, nor root.
fn open_as_stranger(options: &OpenOptions) -> Result<(), i32> {
    thread::scope(|scope| {
        // Both are of the thread alone.
        let open = || {
            setfsgid(Gid::from_raw(65534));
            setfsuid(Uid::from_raw(65534));
            options.open(path()).map(drop)
        };
        let opened = scope.spawn(open).join().unwrap();
        opened.map_err(|error| error.raw_os_error().unwrap_or(0))
    })
}

#[test]
fn strangers_may_do_what_the_mode_says() {
    let denied = Err(libc::EACCES);
    let read = OpenOptions::new().read(true).clone();
    let write = OpenOptions::new().write(true).clone();
    for (mode, may_read, may_write) in [
        ("600", denied, denied),
        ("660", denied, denied),
        ("644", Ok(()), denied),
        ("602", denied, Ok(())),
        ("666", Ok(()), Ok(())),
        ("0", denied, denied),
    ] {
        let _module = load(&[&format!("mode={mode}")]);
        assert_eq!(open_as_stranger(&read), may_read, "mode={mode}");
        assert_eq!(open_as_stranger(&write), may_write, "mode={mode}");
        // Root always may.
        assert!(!current().is_empty(), "mode={mode}");
    }
}

#[test]
fn parameters_can_be_read_and_not_written() {
    let module = load(&["initmsg=\"two words\"", "mode=640"]);
    assert_eq!(module.parameter("initmsg"), "two words");
    for parameter in ["initmsg", "mode"] {
        let mode = mode_of(module.parameter_path(parameter));
        assert_eq!(mode, 0o444, "{parameter}");
    }
}

#[test]
fn modinfo_tells_what_it_is_and_what_it_takes() {
    let parameters = [
        "parm=initmsg:",
        "parmtype=initmsg:charp",
        "parm=mode:",
        "parmtype=mode:",
    ];
    assert_modinfo(MEMBER.name, &parameters);
}
