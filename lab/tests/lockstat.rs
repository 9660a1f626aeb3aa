//! What `lab lockstat` promises, tried on real guests of the tree in RLKM_KDIR, or of the lab's own
//! plain one: a kernel that counts locks shows ours, and one that does not says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn kdir() -> PathBuf {
    std::env::var_os("RLKM_KDIR").map_or_else(
        || {
            let lab = Command::new(env!("CARGO_BIN_EXE_lab"))
                .args(["tree", "--arch", "arm64", "--print", "kdir"])
                .output()
                .unwrap();
            String::from_utf8(lab.stdout).unwrap().trim().into()
        },
        PathBuf::from,
    )
}

fn has(kdir: &Path, option: &str) -> bool {
    let config = fs::read_to_string(kdir.join(".config")).unwrap();
    config.lines().any(|line| line == option)
}

fn lockstat(kdir: &Path, options: &[&str], script: &str) -> (Output, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .env("RLKM_ARCH", "arm64")
        .arg("lockstat")
        .arg("--kdir")
        .arg(kdir)
        .args(options)
        .args(["--", "sh", "-c", script])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
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
fn the_locks_of_our_modules_are_shown_or_that_this_kernel_counts_none() {
    let kdir = kdir();
    let script = "insmod /modules/misc_mutex.ko && echo x >/dev/misc_mutex && \
                  cat /dev/misc_mutex && exit 3";
    let (output, out, err) = lockstat(&kdir, &[], script);
    if !has(&kdir, "CONFIG_LOCK_STAT=y") {
        assert_eq!(output.status.code(), Some(120), "{out}{err}");
        assert!(
            err.contains("CONFIG_LOCK_STAT") && err.contains("--variant debug"),
            "{err}"
        );
        return;
    }
    assert_eq!(output.status.code(), Some(3), "{out}{err}");
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
    let (output, out, err) = lockstat(&kdir, &[], gone);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(row(&out, "misc_mutex").is_none(), "{out}");
    assert!(err.contains("takes its statistics with it"), "{err}");
}

#[test]
fn a_module_for_the_other_variant_is_refused_before_the_boot() {
    let kdir = kdir();
    let dir = tempfile::tempdir().unwrap();
    let module = dir.path().join("stranger.ko");
    let (calls, variant) = match has(&kdir, "CONFIG_KASAN=y") {
        true => ("_printk", "plain"),
        false => ("__asan_register_globals", "debug"),
    };
    fs::write(&module, format!("\0{calls}\0")).unwrap();
    let (output, _, err) = lockstat(&kdir, &["--module", module.to_str().unwrap()], "true");
    assert_eq!(output.status.code(), Some(120), "{err}");
    let said = format!("stranger.ko is for a {variant} kernel");
    assert!(
        err.contains(&said) && err.contains("make VARIANT="),
        "{err}"
    );
}
