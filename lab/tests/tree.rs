//! What `lab tree` promises, tried with a small tarball for the kernel, and scripts for make and
//! the compilers: keys, locks, interruption and failure do not depend on what is built.

mod fake;
mod program;

use fake::Fake;
use program::write_program;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output};

impl Fake {
    fn tree(&self) -> Output {
        self.lab().output().unwrap()
    }

    /// The folder that `--print kdir` names.
    fn kdir(&self) -> PathBuf {
        let output = self.lab().args(["--print", "kdir"]).output().unwrap();
        Path::new(
            std::str::from_utf8(&output.stdout)
                .unwrap()
                .strip_suffix('\n')
                .unwrap(),
        )
        .into()
    }

    fn builds(&self) -> usize {
        fs::read_to_string(self.path("builds")).map_or(0, |text| text.lines().count())
    }
}

#[track_caller]
fn assert_ended(output: &Output, status: i32, stderr: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(output.stdout.is_empty());
    for part in stderr {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}

#[test]
fn a_tree_is_made_once_from_the_patched_source() {
    let fake = Fake::new();
    assert!(!fake.kdir().exists(), "--print builds nothing");
    assert_ended(&fake.tree(), 0, &["building the arm64 kernel done"]);
    assert_ended(&fake.tree(), 0, &["the arm64 tree is ready"]);
    assert_eq!(fake.builds(), 1);
    assert!(fake.kdir().join("Module.symvers").exists());
    let source = fs::read_dir(fake.path("cache/rlkm/src"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(
        fs::read_to_string(source.path().join("Makefile")).unwrap(),
        "patched\n"
    );
}

#[test]
fn a_changed_fragment_makes_another_tree_and_is_named() {
    let fake = Fake::new();
    let first = fake.kdir();
    assert_ended(&fake.tree(), 0, &[]);
    fake.write("checkout/.config.fragment.arm64", "CONFIG_ARM=m\n");
    assert_ended(
        &fake.tree(),
        0,
        &["changed since arm64-", ": .config.fragment.arm64)"],
    );
    assert_eq!(fake.builds(), 2);
    fake.write("checkout/.config.fragment.arm64", "CONFIG_ARM=y\n");
    assert_eq!(fake.kdir(), first);
    assert_ended(&fake.tree(), 0, &[]);
    assert_eq!(fake.builds(), 2, "the first tree is still there");
}

#[test]
fn the_debug_variant_is_a_tree_beside_the_plain_one() {
    let fake = Fake::new();
    let debug = || {
        let mut lab = fake.lab();
        lab.args(["--variant", "debug"]);
        lab
    };
    let output = debug().output().unwrap();
    assert_ended(&output, 0, &["building the arm64-debug kernel done"]);
    let output = debug().args(["--print", "image"]).output().unwrap();
    let image = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end());
    let kdir = image.ancestors().nth(4).unwrap();
    let config = fs::read_to_string(kdir.join(".config")).unwrap();
    assert!(
        config.contains("CONFIG_SMP=y") && config.contains("CONFIG_KASAN=y"),
        "{config}"
    );
    assert!(!fake.kdir().exists(), "the plain tree is another one");
}

#[test]
fn a_tree_with_options_of_ones_own_is_another_one() {
    let fake = Fake::new();
    let file = fake.write(
        "mine",
        "# for me\nCONFIG_MINE=y\n# CONFIG_SMP is not set\nCONFIG_N=1\n",
    );
    let wishes = ["--fragment", file.to_str().unwrap(), "--set", "CONFIG_N=2"];
    let own = fake.lab().args(wishes).output().unwrap();
    assert_ended(&own, 0, &["building the arm64 kernel done"]);
    assert_ended(&fake.tree(), 0, &["building the arm64 kernel done"]);
    assert_ended(
        &fake.lab().args(wishes).output().unwrap(),
        0,
        &["the arm64 tree is ready"],
    );
    assert_eq!(fake.builds(), 2);
    let print = fake.lab().args(wishes).args(["--print", "kdir"]).output();
    let kdir = String::from_utf8(print.unwrap().stdout).unwrap();
    assert_ne!(Path::new(kdir.trim_end()), fake.kdir());
    let config = fs::read_to_string(Path::new(kdir.trim_end()).join(".config")).unwrap();
    for line in [
        "CONFIG_MINE=y",
        "# CONFIG_SMP is not set",
        "CONFIG_N=2",
        "CONFIG_RUST=y",
    ] {
        assert!(
            config.lines().any(|l| l == line),
            "no {line:?} in:\n{config}"
        );
    }
}

#[test]
fn options_that_are_none_are_refused_before_anything_is_made() {
    let fake = Fake::new();
    let file = fake.write("mine", "CONFIG_A=y\nCONFIG_B\n");
    let file = file.to_str().unwrap();
    for (args, said) in [
        (["--fragment", file], "line 2: \"CONFIG_B\" is no option"),
        (["--fragment", "nowhere"], "cannot read nowhere"),
        (["--set", "SMP=y"], "--set \"SMP=y\""),
        (["--set", "CONFIG_SMP"], "CONFIG_X=y"),
    ] {
        let output = fake.lab().args(args).output().unwrap();
        assert_ended(&output, 120, &[said]);
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
    }
    assert!(!fake.path("cache").exists());
    let output = fake
        .lab()
        .args(["--set", "CONFIG_SMP=n"])
        .env("CONFIG_EDIT", "s/.*SMP.*/CONFIG_SMP=y/")
        .output();
    let wanted = "CONFIG_SMP: wanted n, is y";
    assert_ended(
        &output.unwrap(),
        120,
        &["--fragment and --set did not take effect", wanted],
    );
}

#[test]
fn an_option_without_effect_is_an_error_that_names_it() {
    let fake = Fake::new();
    let output = fake.lab().env("CONFIG_EDIT", "/SMP/d").output().unwrap();
    assert_ended(&output, 120, &["CONFIG_SMP: wanted y, is n"]);
    assert_eq!(fake.builds(), 0);
}

/// What the kernel's make was called with, and its environment, as lines.
fn said_to_make(fake: &Fake) -> Vec<String> {
    let text = fs::read_to_string(fake.path("builds.said")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bindgen_is_told_the_libclang_of_the_clang_that_builds() {
    let fake = Fake::new();
    fake.write("lib/libclang-1.so.1", "");
    fake.write("newer/lib/libclang-2.so.1", "");
    write_program(&fake.path("newer/bin/clang"), "#!/bin/sh\necho clang 2\n");
    let libclang = |folder: &str| {
        let folder = fs::canonicalize(fake.path(folder)).unwrap();
        format!("LIBCLANG_PATH={}", folder.display())
    };
    assert_ended(&fake.tree(), 0, &[]);
    assert!(said_to_make(&fake).contains(&libclang("lib")));

    // One that is given is taken, and so is that of a clang that is given, from where one stands.
    let mut lab = fake.lab();
    lab.env("LLVM", "../newer/bin");
    assert_ended(&lab.output().unwrap(), 0, &[]);
    let said = said_to_make(&fake);
    assert!(said.contains(&libclang("newer/lib")), "{said:?}");
    let llvm = fake.path("checkout/../newer/bin/");
    assert!(
        said[0].contains(&format!(" LLVM={}", llvm.display())),
        "{said:?}"
    );
    fake.write("checkout/.config.fragment.arm64", "CONFIG_ARM=m\n");
    let mut lab = fake.lab();
    lab.env("LIBCLANG_PATH", fake.path("newer/lib"));
    assert_ended(&lab.output().unwrap(), 0, &[]);
    let given = format!("LIBCLANG_PATH={}", fake.path("newer/lib").display());
    assert!(said_to_make(&fake).contains(&given));
}

#[test]
fn what_is_exported_for_other_kernels_does_not_reach_this_one() {
    let fake = Fake::new();
    let others = [
        ("KBUILD_OUTPUT", "/nowhere"),
        ("KBUILD_EXTMOD", "/nowhere"),
        ("KBUILD_EXTRA_WARN", "1"),
        ("KCONFIG_CONFIG", "/nowhere"),
        ("INSTALL_MOD_PATH", "/nowhere"),
        ("KCFLAGS", "-O0"),
        ("KRUSTFLAGS", "-O"),
        ("CROSS_COMPILE", "arm-linux-gnueabihf-"),
        ("LLVM_IAS", "0"),
        ("MAKEFLAGS", "n"),
    ];
    let mut lab = fake.lab();
    assert_ended(&lab.envs(others).output().unwrap(), 0, &[]);
    for (name, value) in others {
        let line = format!("{name}={value}");
        assert!(!said_to_make(&fake).contains(&line), "{line}");
    }
}

#[test]
fn a_failed_build_names_its_log_and_is_not_taken_for_a_tree() {
    let fake = Fake::new();
    let output = fake.lab().env("BUILD", "fail").output().unwrap();
    assert_ended(
        &output,
        120,
        &[
            "failed with status 2",
            "/rlkm/log/tree-arm64-",
            "main.c: error: broken",
        ],
    );
    assert_ended(&fake.tree(), 0, &[]);
    assert_eq!(fake.builds(), 2);
}

/// Starts the lab with a build that waits, and comes back once it builds; with its stderr, which
/// must stay open.
fn start_waiting(fake: &Fake) -> (Child, BufReader<ChildStderr>) {
    let mut child = fake.lab().env("BUILD", "wait").spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("building the arm64 kernel") {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "no build:\n{said}");
    }
    (child, stderr)
}

#[test]
fn an_interrupted_build_is_started_over() {
    let fake = Fake::new();
    let (mut child, _stderr) = start_waiting(&fake);
    let left = fake.kdir().join("left");
    fs::write(&left, "").unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_ended(&fake.tree(), 0, &["building the arm64 kernel done"]);
    assert!(!left.exists());
}

#[test]
fn two_at_once_wait_for_each_other_and_build_once() {
    let fake = Fake::new();
    let (mut first, _stderr) = start_waiting(&fake);
    let mut second = fake.lab().spawn().unwrap();
    let mut said = String::new();
    let mut stderr = BufReader::new(second.stderr.take().unwrap());
    stderr.read_line(&mut said).unwrap();
    assert_eq!(
        said,
        format!(
            "lab: waiting for process {} to finish the arm64 kernel tree\n",
            first.id()
        )
    );
    fake.write("builds.go", "");
    assert!(first.wait().unwrap().success());
    assert!(second.wait().unwrap().success());
    assert_eq!(fake.builds(), 1);
}

impl Fake {
    fn source(&self) -> PathBuf {
        let mut folders = fs::read_dir(self.path("cache/rlkm/src")).unwrap();
        folders.next().unwrap().unwrap().path()
    }

    /// What a verb says that needs the tree.
    fn run(&self) -> Output {
        let mut lab = self.lab();
        let set: Vec<_> = lab
            .get_envs()
            .map(|(name, value)| (name.to_owned(), value.map(|value| value.to_owned())))
            .collect();
        lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        for (name, value) in set {
            lab.env(name, value.unwrap());
        }
        lab.env_remove("RLKM_KDIR").env_remove("RLKM_IMAGE");
        lab.args(["run", "--arch", "arm64", "--dry-run", "--", "true"]);
        lab.current_dir(self.path("checkout")).output().unwrap()
    }
}

#[test]
fn a_tree_that_has_lost_a_file_is_made_anew() {
    let fake = Fake::new();
    assert_ended(&fake.tree(), 0, &[]);
    let files = [
        "arch/arm64/boot/Image",
        "Makefile",
        "Module.symvers",
        "include/generated/autoconf.h",
        "include",
        ".config",
        ".lab-inputs",
        ".lab-steps",
    ];
    for (count, file) in files.into_iter().enumerate() {
        let path = fake.kdir().join(file);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        let lost = format!("the arm64 tree has lost {}", path.display());
        let output = fake.run();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), said.lines().count()),
            (Some(120), 1),
            "{said}"
        );
        assert!(
            said.contains(&lost) && said.contains("run `make tree ARCH=arm64"),
            "{said}"
        );
        assert_ended(&fake.tree(), 0, &["the arm64 kernel tree has lost"]);
        assert!(path.exists(), "{file}");
        assert_eq!(fake.builds(), 2 + count, "{file}");
        assert_eq!(fake.run().status.code(), Some(0), "{file}");
        assert_ended(&fake.tree(), 0, &[]);
        assert_eq!(fake.builds(), 2 + count, "{file}");
    }
    fs::remove_file(fake.kdir().join("Makefile")).unwrap();
    let failing = fake.lab().env("BUILD", "fail").output().unwrap();
    assert_ended(
        &failing,
        120,
        &["has lost", "and cannot be made anew: ", "main.c: error"],
    );
    assert_ended(&fake.tree(), 0, &[]);
    // Cut off, as by a full disk.
    fs::write(fake.kdir().join("vmlinux"), "").unwrap();
    assert_ended(&fake.tree(), 0, &["vmlinux"]);
    assert_eq!(fake.builds(), 4 + files.len());
}

#[test]
fn a_busybox_that_is_lost_is_fetched_again() {
    let fake = Fake::new();
    let deb = "#!/bin/sh\necho >busybox-static_1_arm64.deb\n";
    write_program(&fake.path("bin/apt-get"), deb);
    let unpack = "#!/bin/sh\nmkdir \"$3/bin\" && echo busybox >\"$3/bin/busybox\"\n";
    write_program(&fake.path("bin/dpkg"), unpack);
    let tree = || fake.lab().env("RLKM_BUSYBOX", "").output().unwrap();
    assert_ended(&tree(), 0, &["unpacking busybox-static:arm64 done"]);
    let busybox = fake.path("cache/rlkm/guest/arm64-1/bin/busybox");
    fs::remove_file(&busybox).unwrap();
    assert_ended(&tree(), 0, &["the busybox for arm64 guests has lost"]);
    assert_eq!(fs::read_to_string(&busybox).unwrap(), "busybox\n");
    fs::write(&busybox, "").unwrap();
    write_program(&fake.path("bin/apt-get"), "#!/bin/sh\nexit 100\n");
    assert_ended(
        &tree(),
        120,
        &["has lost", "cannot get a busybox", "RLKM_BUSYBOX="],
    );
}

#[test]
fn a_source_that_has_lost_a_file_is_unpacked_again_and_no_kernel_is_built() {
    let fake = Fake::new();
    assert_ended(&fake.tree(), 0, &[]);
    for file in ["Makefile", "include/linux/module.h"] {
        let path = fake.source().join(file);
        fs::remove_file(&path).unwrap();
        assert_eq!(fake.run().status.code(), Some(120));
        assert_ended(&fake.tree(), 0, &["the arm64 kernel source has lost", file]);
        assert!(path.exists());
        assert_eq!(fake.run().status.code(), Some(0));
    }
    assert_eq!(fake.builds(), 1);
    assert_eq!(
        fs::read_to_string(fake.source().join("Makefile")).unwrap(),
        "patched\n"
    );
}

#[test]
fn a_finished_tree_of_an_earlier_lab_is_not_built_again_unless_it_has_lost_a_file() {
    let fake = Fake::new();
    assert_ended(&fake.tree(), 0, &[]);
    let mark = fake.kdir().join(".ready");
    let forget = || {
        fs::write(&mark, "").unwrap();
        fs::write(fake.source().join(".ready"), "").unwrap();
    };
    forget();
    assert_eq!(fake.run().status.code(), Some(0));
    assert_ended(&fake.tree(), 0, &[]);
    assert_eq!(fake.builds(), 1);
    assert_ne!(fs::read(&mark).unwrap(), b"", "it has a record now");
    // What Kbuild has noted tells, too.
    for (count, file) in ["Module.symvers", "vmlinux"].into_iter().enumerate() {
        forget();
        fs::remove_file(fake.kdir().join(file)).unwrap();
        assert_eq!(fake.run().status.code(), Some(120));
        assert_ended(&fake.tree(), 0, &[file]);
        assert_eq!(fake.builds(), 2 + count);
    }
}

#[test]
fn a_missing_tool_is_named_with_what_to_do() {
    let fake = Fake::new();
    let output = fake
        .lab()
        .env("BINDGEN", "/nonexistent/bindgen")
        .output()
        .unwrap();
    assert_ended(
        &output,
        120,
        &["/nonexistent/bindgen", "scripts/setup.sh", "BINDGEN="],
    );
    let output = fake
        .lab()
        .env("LINUX_SOURCE", "/nonexistent.tar")
        .output()
        .unwrap();
    assert_ended(&output, 120, &["LINUX_SOURCE=/nonexistent.tar"]);
}
