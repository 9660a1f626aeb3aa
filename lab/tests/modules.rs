//! The real Kbuild on a copy of the checkout: the README's own module, and what a second build
//! compiles. Against RLKM_KDIR, or else the lab's tree, which `make test` prepares.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A copy of what building modules takes, with a module in it that is not in the checkout.
struct Copy {
    dir: TempDir,
    arch: String,
    kdir: String,
}

impl Copy {
    fn new() -> Copy {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let tracked = Command::new("git")
            .args([
                "ls-files", "Kbuild", "Makefile", "include", "lkm", "modules", "scripts",
            ])
            .current_dir(checkout)
            .output()
            .unwrap();
        let dir = TempDir::new().unwrap();
        for name in String::from_utf8(tracked.stdout).unwrap().lines() {
            let to = dir.path().join(name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(checkout.join(name), to).unwrap();
        }
        let arch = std::env::var("RLKM_ARCH").unwrap_or_else(|_| "arm64".into());
        let kdir = std::env::var("RLKM_KDIR").unwrap_or_else(|_| {
            let lab = Command::new(env!("CARGO_BIN_EXE_lab"))
                .args(["tree", "--arch", &arch, "--print", "kdir"])
                .output()
                .unwrap();
            String::from_utf8(lab.stdout).unwrap().trim().into()
        });
        Copy { dir, arch, kdir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self) -> Command {
        let mut make = Command::new("make");
        make.arg("-C")
            .arg(self.dir.path())
            .arg(format!("KDIR={}", self.kdir))
            .arg(format!("ARCH={}", self.arch));
        // Those of a make that may have called us; what it builds besides is not in the copy.
        for name in ["MAKEFLAGS", "MAKELEVEL", "TESTS", "BENCH"] {
            make.env_remove(name);
        }
        make
    }

    /// Builds, and returns what Kbuild says it compiled.
    #[track_caller]
    fn make(&self) -> Vec<String> {
        let make = self.command().output().unwrap();
        let said = String::from_utf8(make.stdout).unwrap();
        let complaints = String::from_utf8(make.stderr).unwrap();
        assert!(make.status.success(), "{said}{complaints}");
        let root = format!("{}/", fs::canonicalize(self.dir.path()).unwrap().display());
        said.lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let what = words.next()?;
                let compiles = ["RUSTC", "CC", "BINDGEN"].contains(&what);
                compiles.then(|| words.last().unwrap_or("").replace(&root, ""))
            })
            .collect()
    }
}

/// The first block of the README that begins with `fence`.
fn readme_block(fence: &str) -> String {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let text = fs::read_to_string(readme).unwrap();
    let start = text.find(fence).expect(fence) + fence.len();
    let end = text[start..].find("\n```").unwrap() + start;
    text[start..=end].to_string()
}

#[test]
fn the_readmes_module_counts_in_a_guest() {
    let copy = Copy::new();
    fs::write(copy.path("modules/beat.rs"), readme_block("```rust\n")).unwrap();
    let compiled = copy.make();
    assert!(compiled.contains(&"modules/beat.o".into()), "{compiled:?}");

    // The README's own command, with the module of the copy.
    let line = readme_block("\nmake\ntarget/debug/lab run -- sh -c '");
    let script = line.trim_end().trim_end_matches('\'');
    let lab = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args([
            "run", "--arch", &copy.arch, "--kdir", &copy.kdir, "--module",
        ])
        .arg(copy.path("beat.ko"))
        .args(["--", "sh", "-c", script])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&lab.stdout);
    assert!(
        lab.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&lab.stderr)
    );
    assert!(
        said.contains("beat: beat 1\n") && said.contains("beat: beat 2\n"),
        "{said}"
    );
}

#[test]
fn a_second_build_compiles_what_changed_and_nothing_else() {
    let copy = Copy::new();
    assert!(copy.make().contains(&"lkm/liblkm.rlib".into()));
    assert!(copy.make().is_empty(), "nothing changed");

    let hello = copy.path("modules/hello.rs");
    let text = fs::read_to_string(&hello).unwrap();
    fs::write(&hello, text.replace("Goodbye", "Farewell")).unwrap();
    assert_eq!(copy.make(), ["modules/hello.o"]);

    fs::write(&hello, "#![deny(warnings)]\nuse lkm::no_such_thing;\n").unwrap();
    let make = copy.command().output().unwrap();
    assert!(!make.status.success(), "an error is not taken for success");
}
