//! What the lab does with a debug kernel: real guests of the tree in RLKM_KDIR, which `make
//! VARIANT=debug` has made, as it has the modules.

#[path = "busybox/mod.rs"]
mod busybox;

use std::path::PathBuf;
use std::process::{Command, Output};

fn kdir() -> PathBuf {
    let kdir = std::env::var_os("RLKM_KDIR").filter(|kdir| !kdir.is_empty());
    kdir.expect("RLKM_KDIR is not set; `make debug-tests VARIANT=debug` does")
        .into()
}

fn lab(subcommand: &str, options: &[&str], script: &str) -> (Option<i32>, String, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .env("RLKM_ARCH", "arm64")
        .arg(subcommand)
        .arg("--kdir")
        .arg(kdir())
        .args(options)
        .args(["--", "sh", "-c", script])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output.status.code(), out, err)
}

/// Numbers of the row of a class.
fn row(table: &str, class: &str) -> Option<Vec<f64>> {
    let start = format!("{class}:");
    let row = table
        .lines()
        .find(|line| line.split_whitespace().next() == Some(&start))?;
    let numbers = row.split_whitespace().skip(1);
    Some(numbers.map(|number| number.parse().unwrap()).collect())
}

#[test]
fn the_locks_of_our_modules_are_shown() {
    let script = "insmod /modules/misc_mutex.ko && echo x >/dev/misc_mutex && \
                  cat /dev/misc_mutex && exit 3";
    let (status, out, err) = lab("lockstat", &[], script);
    assert_eq!(status, Some(3), "{out}{err}");
    // The command's own output first.
    assert!(out.starts_with("x\nlock_stat version"), "{out}");
    assert!(
        out.contains("class name") && out.contains("acquisitions"),
        "{out}"
    );
    let numbers = row(&out, "misc_mutex").unwrap_or_else(|| panic!("{out}{err}"));
    // Nobody else was there: no contentions, and a few acquisitions.
    assert_eq!(numbers.len(), 12, "{out}");
    assert!(numbers[1] == 0.0 && numbers[7] >= 2.0, "{out}");
    // Not those of the kernel itself.
    assert!(!out.contains("&mm->") && !out.contains("misc_mtx"), "{out}");

    let gone = "insmod /modules/misc_mutex.ko && rmmod misc_mutex";
    let (status, out, err) = lab("lockstat", &[], gone);
    assert_eq!(status, Some(0), "{out}{err}");
    assert!(row(&out, "misc_mutex").is_none(), "{out}");
    assert!(err.contains("takes its statistics with it"), "{err}");
}

#[test]
fn memory_that_a_module_leaks_is_a_status_of_its_own_unless_it_is_on_purpose() {
    let script = "insmod /modules/lkm_test.ko case=leak && rmmod lkm_test";
    let module = [
        "--kmemleak",
        "--module",
        "../target/kbuild/last/tests/lkm_test.ko",
    ];
    let (status, out, err) = lab("run", &module, script);
    assert_eq!(status, Some(123), "{out}{err}");
    assert!(err.contains("comm \"insmod\""), "{err}");

    // The same in a guest that went on from where another had booted.
    let dir = tempfile::tempdir().unwrap();
    let busybox = busybox::program(dir.path());
    for _ in 0..2 {
        let output = Command::new(env!("CARGO_BIN_EXE_lab"))
            .env("RLKM_ARCH", "arm64")
            .args(["runner", "--kdir"])
            .arg(kdir())
            .arg(&busybox)
            .args(["sh", "-c", script])
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(123), "{err}");
        // That, and nothing that the guest had before.
        let leaks = err.matches("unreferenced object").count();
        assert!(leaks > 0, "{err}");
        assert_eq!(err.matches("comm \"insmod\"").count(), leaks, "{err}");
    }

    let on_purpose = format!("echo insmod >/tmp/leaks; {script}");
    let (status, out, err) = lab("run", &module, &on_purpose);
    assert_eq!(status, Some(0), "{out}{err}");
}
