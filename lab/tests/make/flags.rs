//! make's own options, and Kbuild's variables that a kernel developer has exported.

use crate::world::{said, World};
use std::time::{Duration, Instant};

#[test]
fn a_dry_run_prints_what_would_be_done_and_does_nothing() {
    for flags in [
        &["-n"][..],
        &["-n", "-j4"],
        &["--dry-run"],
        &["-nk"],
        &["-nB"],
        &["-ni"],
    ] {
        let world = World::new();
        let said = world.builds(&[flags, &["KDIR=../tree", "modules_install"]].concat());
        assert!(said.contains("scripts/kbuild.sh modules "), "{said}");
        assert!(
            said.contains("scripts/kbuild.sh modules_install "),
            "{said}"
        );
        assert!(!world.path("tree/called").exists(), "Kbuild was called");
        assert!(!world.path("checkout/target").exists());
    }
    // Without a tree there is none to be printed, and none is looked for.
    let world = World::new();
    for goal in [
        "modules",
        "demo",
        "test",
        "check",
        "torture",
        "bench",
        "clippy-modules",
    ] {
        let said = world.builds(&["-n", goal]);
        assert!(!said.is_empty());
        assert!(!world.path("checkout/target").exists(), "{goal}");
    }
}

#[test]
fn touching_and_asking_do_nothing() {
    let world = World::new();
    for (flag, status) in [("-t", 0), ("-q", 1), ("--touch", 0), ("--question", 1)] {
        for goal in ["modules", "modules_install", "test", "check"] {
            let said = world.make(&[flag, "KDIR=../tree", goal]);
            assert_eq!(
                (said.status, said.stderr.as_str()),
                (Some(status), ""),
                "{flag}"
            );
            assert!(!world.path("tree/called").exists(), "Kbuild was called");
            assert!(!world.path("checkout/modules.order").exists());
            assert!(!world.path("checkout/target").exists());
        }
    }
}

#[test]
fn what_is_refused_is_refused_whatever_else_is_asked_for() {
    let world = World::new();
    let start = Instant::now();
    for flag in [
        "-n", "-t", "-q", "-i", "-k", "-s", "-B", "-e", "-r", "-R", "-ki",
    ] {
        world.refuses(&[flag, "KDIR=/nowhere"], &["KDIR=/nowhere is not there"]);
    }
    // Not a tree: that is seen later.
    for flag in ["-i", "-ik", "-k", "-B"] {
        world.refuses(&[flag, "KDIR=../bin"], &["is not a kernel tree"]);
    }
    assert!(
        start.elapsed() < Duration::from_secs(120),
        "make calls itself"
    );
}

#[test]
fn where_kbuild_is_to_build_is_not_taken_from_the_environment() {
    let world = World::new();
    let variables = [
        ("KBUILD_OUTPUT", "/nowhere/out"),
        ("O", "/nowhere/out"),
        ("KBUILD_EXTMOD", "/nowhere/module"),
        ("M", "/nowhere/module"),
        ("KCONFIG_CONFIG", "/nowhere/config"),
        ("SUBDIRS", "/nowhere/module"),
        ("sub_make_done", "1"),
        ("CDPATH", "/"),
    ];
    let check = |said: crate::world::Said| {
        assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
        let folder = world.folder().display().to_string();
        assert!(
            said.stdout.contains(&format!("M={folder} ")),
            "{}",
            said.stdout
        );
        let called = world.called();
        let start = format!("O= KBUILD_OUTPUT= KBUILD_EXTMOD={folder} ");
        assert!(called.starts_with(&start), "{called}");
        assert!(called.contains(" KCONFIG_CONFIG= "), "{called}");
    };
    let mut make = world.command();
    check(said(make.arg("KDIR=../tree").envs(variables)));
    for (name, value) in variables {
        if ["O", "M", "KBUILD_OUTPUT", "KBUILD_EXTMOD"].contains(&name) {
            let mut make = world.command();
            check(said(
                make.args(["KDIR=../tree", &format!("{name}={value}")]),
            ));
        }
    }
}

#[test]
fn what_a_developer_tells_kbuild_reaches_it() {
    let world = World::new();
    let mut make = world.command();
    make.args(["KDIR=../tree", "V=1", "W=1", "CC=clang-14 -Wextra"]);
    let said = said(make.env("KCFLAGS", "-g -O1"));
    assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
    let called = world.called();
    for part in [" V=1 W=1 ", " KCFLAGS=-g -O1 ", " CC=clang-14 -Wextra\n"] {
        assert!(called.contains(part), "no {part} in {called}");
    }
}

/// It is for a kernel of another architecture, and clang takes the target from it.
#[test]
fn a_cross_compiler_that_is_exported_does_not_lead_clang_astray() {
    let world = World::new();
    let mut make = world.command();
    make.arg("KDIR=../tree")
        .env("CROSS_COMPILE", "arm-linux-gnueabihf-");
    let said = said(&mut make);
    assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
    assert!(said.stdout.contains(" CROSS_COMPILE= "), "{}", said.stdout);
}
