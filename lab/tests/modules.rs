//! The real Kbuild on a copy of the checkout: the README's own module, and what a second build
//! compiles. Against RLKM_KDIR, or else the lab's tree, which `make test` prepares.

mod copy;

use copy::Copy;
use std::fs;
use std::process::Command;

impl Copy {
    fn new() -> Copy {
        let given = |name| {
            std::env::var(name)
                .ok()
                .filter(|value: &String| !value.is_empty())
        };
        let arch = given("RLKM_ARCH").unwrap_or_else(|| "arm64".into());
        let kdir = given("RLKM_KDIR").unwrap_or_else(|| {
            let lab = Command::new(env!("CARGO_BIN_EXE_lab"))
                .args(["tree", "--arch", &arch, "--print", "kdir"])
                .output()
                .unwrap();
            String::from_utf8(lab.stdout).unwrap().trim().into()
        });
        Copy::of(&arch, &kdir)
    }

    /// Builds, and returns what Kbuild says it compiled.
    #[track_caller]
    fn make(&self) -> Vec<String> {
        let make = self.command().output().unwrap();
        let said = String::from_utf8(make.stdout).unwrap();
        let complaints = String::from_utf8(make.stderr).unwrap();
        assert!(make.status.success(), "{said}{complaints}");
        let root = self.built("").display().to_string();
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
    assert!(compiled.contains(&"modules/beat.bc".into()), "{compiled:?}");

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
    copies { let mut to = [1u8; 9]; to[1..].copy_from_slice(b"abcdefghi".get(any()..).unwrap_or(b"")); to.len() };
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
    adds_durations (Duration::from_secs(any() as u64) + Duration::MAX).subsec_nanos() as usize;
    takes_a_radix usize::from_str_radix("1", any() as u32).unwrap_or(0);
    formats_a_float { pr_info!("{:?}\n", f32::from_bits(any() as u32)); 0 };
    formats_128_bits { pr_info!("{:e}\n", any() as u128); 0 };
    parses_128_bits "123456789 123456789 123456789 123456789 ".get(any()..).unwrap_or("").parse::<i128>().map_or(0, |n| n as usize);
    parses_which_is_harmless "123456789 123456789".get(any()..).unwrap_or("").parse::<usize>().unwrap_or(0);
    removes alloc::vec::Vec::<usize>::new().swap_remove(any());
}
"#;

/// Whatever a module calls to panic: the check says in which function. (The overflow of `adds` is
/// checked if CONFIG_RUST_OVERFLOW_CHECKS says so.)
#[test]
fn every_way_to_panic_is_found() {
    let copy = Copy::new();
    for module in fs::read_dir(copy.path("modules")).unwrap() {
        let path = module.unwrap().path();
        if path.is_file() && !path.ends_with("hello.rs") {
            fs::remove_file(path).unwrap();
        }
    }
    let check = || {
        copy.make();
        let check = Command::new(copy.path("scripts/kbuild.sh"))
            .args(["check-panics", &copy.kdir, &copy.arch])
            .output()
            .unwrap();
        let said = String::from_utf8(check.stderr).unwrap();
        (check.status.code(), said)
    };
    assert_eq!(check(), (Some(0), String::new()));
    fs::write(copy.path("modules/panics.rs"), PANICS).unwrap();
    let (status, said) = check();
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
        let line = format!("panics can panic: panics::{function} calls ");
        let harmless = function.ends_with("_which_is_harmless");
        assert_eq!(said.contains(&line), !harmless, "{function}: {said}");
    }
    // A function of core of which the module has a copy.
    let line = "panics can panic: core::panicking::assert_failed::<usize, usize> calls ";
    assert!(said.contains(line), "{said}");
    assert!(!said.contains("hello can panic"), "{said}");
}

/// A module with these lines in it, from the fourth on.
fn module_with(lines: &str) -> String {
    let rest = r#"use lkm::prelude::*;

module! {
    type: Tried,
    name: "tried",
    author: "rlkm",
    description: "Is tried",
    license: "GPL",
}

struct Tried;

impl Module for Tried {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Tried)
    }
}
"#;
    format!("// SPDX-License-Identifier: GPL-2.0\n\n//! Is tried.\n{lines}\n{rest}")
}

impl Copy {
    /// A build that must fail says each of `parts` in a line, and so does the next.
    #[track_caller]
    fn refuses(&self, parts: &[&str]) {
        for _ in 0..2 {
            let make = self.command().output().unwrap();
            let complaints = String::from_utf8(make.stderr).unwrap();
            assert!(!make.status.success(), "{parts:?} is built");
            let mut lines = complaints.lines();
            assert!(
                lines.any(|line| parts.iter().all(|part| line.contains(part))),
                "{parts:?} is not in a line of: {complaints}"
            );
        }
    }

    /// Takes all modules away.
    fn clear(&self) {
        fs::remove_dir_all(self.path("modules")).unwrap();
        fs::create_dir(self.path("modules")).unwrap();
    }
}

#[test]
fn what_is_not_safe_in_a_module_is_refused_by_file_and_line_until_it_is_gone() {
    let copy = Copy::new();
    copy.clear();
    let tried = copy.path("modules/tried.rs");
    for (word, line) in [
        ("unsafe", "pub fn f(x: *const u8) -> u8 { unsafe { *x } }"),
        ("global_asm", "core::arch::global_asm!(\"nop\");"),
        ("no_mangle", "#[no_mangle] pub fn lkm_current() {}"),
        ("extern", "extern crate kernel;"),
        ("kernel", "use kernel::prelude::*;"),
    ] {
        fs::write(&tried, module_with(line)).unwrap();
        let (place, word) = ("modules/tried.rs:4: ", format!("`{word}`"));
        copy.refuses(&["rlkm: ", place, &word, "lkm"]);
    }

    // What it is made of, wherever that is said.
    let part = "#[path = \"tried/part.rs\"]\npub mod part;\ninclude!(\"tried/more.rs\");";
    fs::create_dir(copy.path("modules/tried")).unwrap();
    fs::write(&tried, module_with(part)).unwrap();
    fs::write(copy.path("modules/tried/more.rs"), "").unwrap();
    fs::write(copy.path("modules/tried/part.rs"), "//! Part.\n").unwrap();
    assert!(copy.make().contains(&"modules/tried.bc".into()));
    let bad = "core::arch::global_asm!(\"\");\n";
    fs::write(copy.path("modules/tried/more.rs"), bad).unwrap();
    copy.refuses(&["rlkm: ", "modules/tried/more.rs:1: ", "`global_asm`"]);
    fs::write(copy.path("modules/tried/more.rs"), "").unwrap();
    assert!(copy.make().contains(&"modules/tried.bc".into()));

    fs::write(copy.path("outside.rs"), "").unwrap();
    let outside = "pub mod part {\n    include!(concat!(\"../\", \"outside.rs\"));\n}";
    fs::write(&tried, module_with(outside)).unwrap();
    copy.refuses(&["rlkm: ", "modules/tried.rs:5: ", "`outside.rs`", "move "]);
}

/// Even one that the check has been silent of.
#[test]
fn a_symbol_of_lkms_cannot_be_replaced_by_a_modules() {
    let copy = Copy::new();
    copy.clear();
    fs::write(copy.path("scripts/check-module.sh"), "#!/bin/sh\n").unwrap();
    let symbol = "core::arch::global_asm!(\".globl lkm_current\", \"lkm_current: nop\");";
    fs::write(copy.path("modules/tried.rs"), module_with(symbol)).unwrap();
    copy.refuses(&["rlkm: ", "modules/tried.rs: ", "`lkm_current`"]);
}

#[test]
fn a_second_build_compiles_what_changed_and_nothing_else() {
    let copy = Copy::new();
    assert!(copy.make().contains(&"lkm/liblkm.rmeta".into()));
    assert!(copy.make().is_empty(), "nothing changed");

    let hello = copy.path("modules/hello.rs");
    let text = fs::read_to_string(&hello).unwrap();
    fs::write(&hello, text.replace("Goodbye", "Farewell")).unwrap();
    assert_eq!(copy.make(), ["modules/hello.bc"]);

    fs::write(&hello, "#![deny(warnings)]\nuse lkm::no_such_thing;\n").unwrap();
    let make = copy.command().output().unwrap();
    assert!(!make.status.success(), "an error is not taken for success");
}

#[test]
fn modules_are_linked_as_one_piece_and_of_objects_where_one_says_so() {
    let copy = Copy::new();
    let how = |given: &[&str]| {
        let make = copy
            .command()
            .args(["-s", "how"])
            .args(given)
            .output()
            .unwrap();
        String::from_utf8(make.stdout).unwrap()
    };
    assert!(how(&[]).starts_with("bitcode, as clang "), "{}", how(&[]));
    assert_eq!(how(&["LTO=n"]), "objects, as LTO=n says so\n");

    let make = copy.command().args(["LTO=n", "V=1"]).output().unwrap();
    let said = String::from_utf8(make.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&make.stderr);
    assert!(make.status.success(), "{complaints}");
    let line = "rlkm: modules are linked as objects, as LTO=n says so\n";
    assert!(said.contains(line), "{said}");
    let script = "insmod /modules/hello.ko; insmod /modules/misc_mutex.ko; cat /dev/misc_mutex; \
                  echo written >/dev/misc_mutex; cat /dev/misc_mutex; rmmod misc_mutex hello";
    let lab = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["run", "--arch", &copy.arch, "--kdir", &copy.kdir])
        .arg("--module")
        .arg(copy.path("hello.ko"))
        .arg("--module")
        .arg(copy.path("misc_mutex.ko"))
        .args(["--", "sh", "-e", "-c", script])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&lab.stdout);
    let complaints = String::from_utf8_lossy(&lab.stderr);
    assert!(lab.status.success(), "{said}{complaints}");
    assert!(said.contains("Hello, world!\nwritten\n"), "{said}");

    // The other way in the same folder.
    assert!(copy.make().contains(&"modules/hello.bc".into()));
}
