//! What `lab user` does: programs of guests in QEMU's user mode, as `make userland` has built them.

use std::fs;
use std::process::{Command, Output, Stdio};

fn lab(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lab"))
        .env("RLKM_ARCH", "arm64")
        .stdin(Stdio::null())
        .arg("user")
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A program of arm64 that prints which machine it is on and how many CPUs it sees, with 3 threads.
fn program(folder: &std::path::Path) -> String {
    let source = folder.join("tells.rs");
    let code = r#"
        fn main() {
            let pause = || std::thread::sleep(std::time::Duration::from_millis(500));
            let threads = [0; 2].map(|_| std::thread::spawn(pause));
            let cpus = std::thread::available_parallelism().unwrap();
            println!("{} {cpus} {:?}", std::env::consts::ARCH, std::env::args().skip(1).collect::<Vec<_>>());
            threads.map(|thread| thread.join().unwrap());
            std::process::exit(7);
        }"#;
    fs::write(&source, code).unwrap();
    let program = folder.join("tells");
    let status = Command::new("/usr/bin/rustc")
        .args(["--target", "aarch64-unknown-linux-gnu", "--edition=2021"])
        .args([
            "-C",
            "linker=aarch64-linux-gnu-gcc",
            "-C",
            "target-feature=+crt-static",
            "-o",
        ])
        .args([&program, &source])
        .status()
        .unwrap();
    assert!(status.success());
    program.to_str().unwrap().to_owned()
}

#[test]
fn a_program_has_the_cpus_it_is_given_and_its_threads_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let program = program(dir.path());
    let output = lab(&["--cpus", "1", "--", &program, "-x", "--", "y"]);
    let said = text(&output.stderr);
    assert_eq!(
        text(&output.stdout),
        "aarch64 1 [\"-x\", \"--\", \"y\"]\n",
        "{said}"
    );
    assert_eq!(output.status.code(), Some(7));
    assert!(said.contains("sees 1 CPU of this host"), "{said}");
    assert!(
        said.contains("at most 3 threads of the program were seen: 4 of the host"),
        "{said}"
    );
    assert!(!said.contains("nodes"), "{said}");

    let output = lab(&["--cpus", "4000", "--", &program]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(120), "{said}");
    assert!(said.contains("lab run --cpus 4000"), "{said}");
    assert_eq!(said.lines().count(), 1);
}

#[test]
fn a_program_of_a_node_is_run_but_it_is_said_before_what_it_lacks() {
    let output = lab(&["--", "misc", "get"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let before = said.find("may use /dev/misc_mutex").unwrap();
    assert!(said.contains("no nodes and none of their ioctls"), "{said}");
    assert!(
        before < said.find("misc: /dev/misc_mutex").unwrap(),
        "{said}"
    );
    let output = lab(&["--", "misc", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with("Reads, sets"));
}

#[test]
fn what_cannot_run_is_said_in_a_line() {
    for (words, said) in [
        (&["no-such-program"][..], "make userland"),
        (&["/bin/true"], "dynamically linked"),
        (&["/etc/passwd"], "not a program"),
        (&["/nonexistent"], "cannot read /nonexistent"),
    ] {
        let output = lab(&[&["--"], words].concat());
        let error = text(&output.stderr);
        assert_eq!(
            (output.status.code(), error.lines().count()),
            (Some(120), 1),
            "{error}"
        );
        assert!(error.contains(said), "{error}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["user", "--", "misc"])
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    assert!(text(&output.stderr).contains("package qemu-user-static"));
}

#[test]
fn cargo_runs_the_tests_of_a_crate_by_it() {
    let runner = concat!(env!("CARGO_BIN_EXE_lab"), " user --");
    let output = Command::new("/usr/bin/cargo")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args([
            "test",
            "--locked",
            "--target",
            "aarch64-unknown-linux-gnu",
            "-p",
            "cli",
            "--lib",
        ])
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", runner)
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("the program sees"), "{said}");
    assert!(text(&output.stdout).contains("test result: ok. "));
}
