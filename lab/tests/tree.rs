//! What `lab tree` promises, tried with a small tarball for the kernel, and scripts for make and
//! the compilers: keys, locks, interruption and failure do not depend on what is built.

mod program;

use program::write_program;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

/// A kernel's make, as far as the lab uses it. BUILD says what the build is to do.
const MAKE: &str = r#"#!/bin/sh
for word; do case $word in O=*) O=${word#O=};; esac; done
case "$*" in
*allnoconfig) sed "$CONFIG_EDIT" "$KCONFIG_ALLCONFIG" >"$O/.config" ;;
*modules)
    echo built >>"$BUILDS"
    echo "  CC      init/main.o"
    case $BUILD in
    fail) echo "main.c: error: broken"; exit 2 ;;
    wait) until [ -e "$BUILDS.go" ]; do sleep 0.05; done ;;
    esac
    mkdir -p "$O/arch/arm64/boot"
    echo image >"$O/arch/arm64/boot/Image"
    echo >"$O/Module.symvers"
    ;;
esac
"#;

const PATCH: &str = "--- a/Makefile\n+++ b/Makefile\n@@ -1 +1 @@\n-unpatched\n+patched\n";

/// A checkout, a tarball, tools and a cache of their own.
struct Fake {
    dir: tempfile::TempDir,
}

impl Fake {
    fn new() -> Fake {
        let fake = Fake {
            dir: tempfile::tempdir().unwrap(),
        };
        fake.write("checkout/.config.fragment", "CONFIG_RUST=y\nCONFIG_SMP=y\n");
        fake.write("checkout/.config.fragment.arm64", "CONFIG_ARM=y\n");
        fake.write("checkout/.config.fragment.debug", "CONFIG_KASAN=y\n");
        fake.write("checkout/scripts/patches/0001-x.patch", PATCH);
        fake.write("linux/Makefile", "unpatched\n");
        for (name, script) in [
            ("make", MAKE),
            ("clang", "#!/bin/sh\necho clang 1\n"),
            ("tool", "#!/bin/sh\necho tool 1\n"),
        ] {
            write_program(&fake.path(&format!("bin/{name}")), script);
        }
        let tar = Command::new("tar")
            .arg("-C")
            .arg(fake.dir.path())
            .arg("-cf")
            .arg(fake.path("linux.tar"))
            .arg("linux")
            .status();
        assert!(tar.unwrap().success());
        fake
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn lab(&self) -> Command {
        let bin = self.path("bin");
        let path = std::env::var("PATH").unwrap();
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        lab.args(["tree", "--arch", "arm64"])
            .current_dir(self.path("checkout"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("LINUX_SOURCE", self.path("linux.tar"))
            .env("LLVM", format!("{}/", bin.display()))
            .env("RUSTC", bin.join("tool"))
            .env("BINDGEN", bin.join("tool"))
            .env("RLKM_BUSYBOX", "/bin/true")
            .env("BUILDS", self.path("builds"))
            .env("BUILD", "well")
            .env("CONFIG_EDIT", "")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        lab
    }

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
fn an_option_without_effect_is_an_error_that_names_it() {
    let fake = Fake::new();
    let output = fake.lab().env("CONFIG_EDIT", "/SMP/d").output().unwrap();
    assert_ended(&output, 120, &["CONFIG_SMP: wanted y, is n"]);
    assert_eq!(fake.builds(), 0);
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
