//! What `lab strace` shows of a command in a real guest, with a program of Debian's that the lab
//! fetches for it.

use std::fs;
use std::process::{Command, Output, Stdio};

fn lab(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lab"))
        // The programs and modules of the checkout are of this architecture.
        .env("RLKM_ARCH", "arm64")
        .stdin(Stdio::null())
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn our_ioctls_have_names_and_fields_and_what_the_command_says_is_apart() {
    let dir = tempfile::tempdir().unwrap();
    let calls = dir.path().join("calls");
    let script = "insmod /modules/misc_mutex.ko; insmod /modules/ksort.ko; \
                  printf 'beginning, ' >&2; printf abc >/dev/misc_mutex; misc stats --json; \
                  misc stats --reset >/dev/null; printf 'end' >&2; exit 3";
    let output = lab(&[
        "strace",
        "-o",
        calls.to_str().unwrap(),
        "-e",
        "trace=ioctl,openat",
        "--",
        "sh",
        "-c",
        script,
    ]);
    // Behind what the lab says when it fetches strace.
    let said = text(&output.stderr);
    assert!(said.ends_with("beginning, end"), "{said}");
    assert!(!said.contains("ioctl("), "{said}");
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text(&output.stdout).contains("\"length\":3"),
        "{}",
        text(&output.stdout)
    );
    let calls = fs::read_to_string(&calls).unwrap();
    assert!(
        calls.contains(r#"openat(AT_FDCWD, "/dev/misc_mutex", O_WRONLY"#),
        "{calls}"
    );
    let fields =
        "MISC_GET_STATS, {generation=1, length=3, bytes_read=0, bytes_written=3, opens=2, \
                  errors=0, messages=1, references=0}) = 0\n";
    assert!(calls.contains(fields), "{calls}");
    assert!(calls.contains("MISC_RESET_STATS"), "{calls}");
    assert!(
        !calls.contains("_IOC(") && !calls.contains("DELAYED"),
        "{calls}"
    );
}

#[test]
fn a_package_is_a_program_with_its_libraries_and_an_unknown_one_is_named() {
    let output = lab(&["run", "--package", "jq", "--", "jq", "--version"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("jq-"));
    for (name, said) in [
        ("no-such-package", "no-such-package:arm64"),
        ("../a", "--package"),
    ] {
        let output = lab(&["run", "--package", name, "--", "true"]);
        assert_eq!(output.status.code(), Some(120));
        assert!(
            text(&output.stderr).contains(said),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_command_that_is_not_there_is_asked_for_before_the_boot() {
    for args in [&["strace"][..], &["strace", "-f"], &["strace", "-f", "--"]] {
        let output = lab(args);
        assert_eq!(output.status.code(), Some(120), "{args:?}");
    }
    let output = lab(&["strace", "--no-fields", "--", "misc", "get"]);
    let said = text(&output.stderr);
    // Without options, all calls; and the command's status.
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("execve(\"/bin/misc\""), "{said}");
    let own = said.find("misc: ").unwrap();
    assert!(own < said.find("lab: the system calls:").unwrap(), "{said}");
}
