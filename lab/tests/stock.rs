//! Debian's own kernels: downloaded, and booted as they are.

use std::path::Path;
use std::process::{Command, Output};

fn lab(args: &[&str]) -> Output {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    for name in ["RLKM_KDIR", "RLKM_IMAGE", "RLKM_KERNEL", "RLKM_MEMORY"] {
        lab.env_remove(name);
    }
    lab.args(args).env("RLKM_ARCH", "arm64").output().unwrap()
}

/// What it prints, less the end of the line.
#[track_caller]
fn prints(args: &[&str]) -> String {
    let output = lab(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim_end().into()
}

/// The headers of the newest one.
fn kdir() -> String {
    prints(&["tree", "--kernel", "stock"]);
    prints(&["tree", "--kernel", "stock", "--print", "kdir"])
}

#[test]
fn it_runs_a_command_and_refuses_modules_for_another_kernel() {
    let release = kdir().rsplit_once("linux-headers-").unwrap().1.to_owned();
    let args = ["run", "--kernel", "stock", "--", "uname", "-r"];
    assert_eq!(prints(&args), release);
    // One of the checkout's, which here are the plain kernel's.
    let said = String::from_utf8(lab(&args).stderr).unwrap();
    let line = said.lines().find(|line| line.contains("/hello.ko is for "));
    let end = format!("the guest's is {release}; build it with `make KERNEL=stock`");
    assert!(line.map_or(false, |line| line.ends_with(&end)), "{said}");
}

/// As those of any other distribution can be.
#[test]
fn its_files_can_be_given_one_by_one() {
    let kdir = kdir();
    let image = format!("{kdir}/arch/arm64/boot/Image");
    let modules = format!("{kdir}/lab-drivers");
    assert!(Path::new(&modules).is_dir());
    let run = ["run", "--memory", "512M", "--image", &image, "--modules"];
    let command = ["--", "uname", "-r"];
    let release = prints(&[&run[..], &[&*modules], &command].concat());
    assert!(kdir.ends_with(&release), "{release}");
    let nowhere = lab(&[&run[..], &["/nowhere"], &command].concat());
    let said = String::from_utf8_lossy(&nowhere.stderr);
    assert_eq!(nowhere.status.code(), Some(120), "{said}");
    assert!(said.contains("cannot read /nowhere"), "{said}");
}
