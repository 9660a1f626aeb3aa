//! `make install-lab`: where what goes, and what is refused before anything is written.

use crate::program::write_program;
use crate::world::World;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const BASH: &str = "share/bash-completion/completions/lab";

/// One whose cargo has built the lab already.
fn world() -> World {
    let world = World::new();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in ["scripts/install-lab.sh", "scripts/beside.sh"] {
        let script = fs::read_to_string(checkout.join(name)).unwrap();
        write_program(&world.path("checkout").join(name), &script);
    }
    write_program(&world.path("checkout/scripts/setup.sh"), "#!/bin/sh\n");
    let cargo = format!(
        "#!/bin/sh\n[ \"$1\" = build ] || exit 0\nmkdir -p target/debug\nln -sf {} target/debug/lab\n",
        env!("CARGO_BIN_EXE_lab")
    );
    write_program(&world.path("bin/cargo"), &cargo);
    world
}

#[track_caller]
fn installs(world: &World, args: &[&str]) {
    let said = world.make(&[&["install-lab", "CARGO=cargo"], args].concat());
    assert_eq!(said.status, Some(0), "{}", said.stderr);
    assert_eq!((said.stdout.as_str(), said.stderr.lines().count()), ("", 1));
}

/// All files below a folder, with their contents.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let contents = fs::read(&path).unwrap();
            found.push((path, contents));
        }
    }
    found.sort();
    found
}

#[test]
fn the_lab_its_completions_and_pages_go_below_the_prefix_of_the_root() {
    let world = world();
    for (args, root) in [
        (&["DESTDIR=../out", "PREFIX=/usr"][..], "out/usr"),
        (&["DESTDIR=../other/"], "other/usr/local"),
        (&["PREFIX=../home/.local"], "home/.local"),
    ] {
        installs(&world, args);
        let root = world.path(root);
        let lab = root.join("bin/lab");
        let mode = fs::metadata(&lab).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        let version = Command::new(&lab).arg("--version").output().unwrap();
        assert!(version.stdout.starts_with(b"lab "));
        for name in [
            BASH,
            "share/zsh/site-functions/_lab",
            "share/fish/vendor_completions.d/lab.fish",
            "share/man/man1/lab.1",
            "share/man/man1/lab-run.1",
        ] {
            let metadata = fs::metadata(root.join(name)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o644, "{name}");
            assert!(metadata.len() > 0, "{name}");
        }
    }
    // Again: an older lab is replaced.
    let before = files(&world.path("out"));
    installs(&world, &["DESTDIR=../out", "PREFIX=/usr"]);
    assert!(files(&world.path("out")) == before);
}

#[test]
fn what_is_of_another_program_is_left_alone_and_nothing_is_installed_beside_it() {
    for name in [
        "bin/lab",
        BASH,
        "share/zsh/site-functions/_lab",
        "share/man/man1/lab.1",
    ] {
        let world = world();
        world.write(&format!("out/{name}"), "#!/bin/sh\necho a laboratory\n");
        let before = files(&world.path("out"));
        let said = world.make(&["install-lab", "CARGO=cargo", "PREFIX=../out"]);
        assert_eq!(said.status, Some(2));
        let line = said.stderr.lines().next().unwrap();
        assert!(line.starts_with("rlkm: "), "{line}");
        assert!(
            line.contains(name) && line.contains("another program"),
            "{line}"
        );
        assert!(files(&world.path("out")) == before, "{name}");
    }
}

#[test]
fn a_file_where_a_folder_is_to_be_is_refused_and_a_folder_where_a_file_is_to_be() {
    for (name, part) in [
        ("share/man", "is no folder"),
        ("bin", "is no folder"),
        ("bin/lab/x", "is a folder"),
    ] {
        let world = world();
        world.write(&format!("out/{name}"), "");
        let before = files(&world.path("out"));
        let said = world.make(&["install-lab", "CARGO=cargo", "PREFIX=../out"]);
        assert_eq!(said.status, Some(2));
        assert!(
            said.stderr.lines().next().unwrap().contains(part),
            "{}",
            said.stderr
        );
        assert!(files(&world.path("out")) == before, "{name}");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_refused_before_the_lab_is_built() {
    let world = world();
    world.write("file", "");
    for (args, part) in [
        (&["PREFIX=../file"][..], "is no folder"),
        (&["DESTDIR=../file"], "is no folder"),
        (&["DESTDIR=/dev/null"], "/dev/null is no folder"),
        (&["PREFIX=/a b"], "PREFIX"),
        (&["DESTDIR=$(shell touch ../ran)"], "DESTDIR"),
    ] {
        world.refuses(&[&["install-lab", "CARGO=cargo"], args].concat(), &[part]);
    }
    assert!(!world.path("ran").exists());
    // modules_install beside it has its own.
    let both = [
        "install-lab",
        "CARGO=cargo",
        "DESTDIR=../out",
        "KDIR=../tree",
    ];
    world.refuses(
        &[&both[..], &["modules_install"]].concat(),
        &["INSTALL_MOD_PATH"],
    );
}
