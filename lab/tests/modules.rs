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
        // What is new and not in git yet is part of it, what was built is not.
        let sources = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .args(["Kbuild", "Makefile", "include", "lkm", "modules", "scripts"])
            .current_dir(checkout)
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&sources.stderr);
        assert!(sources.status.success(), "{complaints}");
        let dir = TempDir::new().unwrap();
        for name in String::from_utf8(sources.stdout).unwrap().lines() {
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

/// A function for each way to panic.
const PANICS: &str = r#"// SPDX-License-Identifier: GPL-2.0

//! Panics.

use core::{cell::RefCell, time::Duration};
use lkm::{cpumask::num_online_cpus, prelude::*};

module! {
    type: Panics,
    name: "panics",
    author: "rlkm",
    description: "Panics",
    license: "GPL",
}

/// What the compiler cannot know.
fn any() -> usize {
    num_online_cpus()
}

macro_rules! panics {
    ($($name:ident $expression:expr;)*) => {
        $(#[inline(never)] fn $name() -> usize { $expression })*

        struct Panics;

        impl Module for Panics {
            fn init(_module: &'static ThisModule) -> Result<Self> {
                assert_eq!(any(), 1);
                let sum = 0usize;
                $(let sum = sum.wrapping_add($name());)*
                pr_info!("{sum}\n");
                Ok(Panics)
            }
        }
    };
}

panics! {
    adds usize::MAX + any();
    divides 1 / any();
    indexes [1, 2, 3][any()];
    slices_from [1u8; 9][any()..].len();
    slices_to [1u8; 9][..any()].len();
    slices_between [1u8; 9][any()..any()].len();
    slices_including [1u8; 9][..=any()].len();
    slices_a_str "abc"[any()..].len();
    splits [1u8; 9].split_at(any()).0.len();
    copies { let mut to = [1u8; 9]; to[1..].copy_from_slice(b"abc".get(any()..).unwrap_or(b"")); to.len() };
    unwraps_an_option Some(any()).filter(|any| any % 2 == 0).unwrap();
    expects_an_option Some(any()).filter(|any| any % 2 == 0).expect("even");
    unwraps_a_result u8::try_from(any()).unwrap().into();
    borrows_twice {
        let cell = RefCell::new(any());
        let mut first = (any() > 1).then(|| cell.borrow_mut());
        first.iter_mut().for_each(|first| **first = 2);
        let second = *cell.borrow_mut();
        second
    };
    asserts { assert!(any() > 1); 0 };
    cannot_be_reached if any() > 1 { unreachable!() } else { 0 };
    says_why if any() > 1 { panic!("any {}", any()) } else { 0 };
    removes alloc::vec::Vec::<usize>::new().swap_remove(any());
    adds_durations (Duration::from_secs(any() as u64) + Duration::MAX).subsec_nanos() as usize;
    takes_a_radix usize::from_str_radix("1", any() as u32).unwrap_or(0);
    formats_a_float { pr_info!("{:?}\n", f32::from_bits(any() as u32)); 0 };
    formats_128_bits { pr_info!("{:e}\n", any() as u128); 0 };
    parses_128_bits "abc".parse::<i128>().map_or(0, |n| n as usize);
    parses_which_is_harmless "abc".parse::<usize>().unwrap_or(0);
}
"#;

/// Whatever a module calls to panic: the check says in which function. (The overflow of `adds` is
/// checked if CONFIG_RUST_OVERFLOW_CHECKS says so.)
#[test]
fn every_way_to_panic_is_found() {
    let copy = Copy::new();
    fs::write(copy.path("modules/panics.rs"), PANICS).unwrap();
    copy.make();
    let check = |module| {
        let check = Command::new(copy.path("scripts/check-panics.sh"))
            .arg(copy.path(module))
            .output()
            .unwrap();
        let said = String::from_utf8(check.stderr).unwrap();
        (check.status.code(), said)
    };
    let (status, said) = check("panics.ko");
    assert_eq!(status, Some(1), "{said}");
    let panics = PANICS.split("panics! {").nth(1).unwrap();
    let functions: Vec<_> = panics
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| !line.starts_with([' ', '}']))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(functions.len(), 24);
    for function in functions {
        let line = format!("panics.ko can panic: panics::{function} calls ");
        let harmless = function.ends_with("_which_is_harmless");
        assert_eq!(said.contains(&line), !harmless, "{function}: {said}");
    }
    // A function of core of which the module has a copy.
    let line = "panics.ko can panic: core::panicking::assert_failed::<usize, usize> calls ";
    assert!(said.contains(line), "{said}");

    assert_eq!(check("hello.ko"), (Some(0), String::new()));
    let (status, said) = check("nowhere.ko");
    assert_eq!(status, Some(1));
    assert!(said.contains("nowhere.ko': No such file"), "{said}");
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
