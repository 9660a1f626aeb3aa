//! What a tree has for C to make it hard to attack, Rust's functions have too. Trees that have it
//! are prepared as far as modules need, which takes minutes: `make check-all` runs this.
//!
//! The measure is C that is built for the same tree: a twin for each function of a module in Rust,
//! and the bench's twins for the modules of the checkout. In Debian's own kernels C is gcc's, and
//! does not look the same: there it is what the kernel's .config says.

#[path = "../copy/mod.rs"]
mod copy;
mod functions;
mod tree;

use copy::Copy;
use functions::{functions, Function};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tree::Tree;

const RUST: &str = include_str!("hardened.rs");
const C: &str = include_str!("hardened.c");

/// One option, and in which function of the twins what it does is seen.
struct Option {
    name: &'static str,
    function: &'static str,
    mark: &'static str,
}

const fn option(name: &'static str, function: &'static str, mark: &'static str) -> Option {
    Option {
        name,
        function,
        mark,
    }
}

const ARM64: [Option; 7] = [
    option("ARM64_PTR_AUTH_KERNEL", "leaf", "signs its return address"),
    option(
        "ARM64_PTR_AUTH_KERNEL",
        "array",
        "authenticates all returns",
    ),
    option("ARM64_BTI_KERNEL", "leaf", "can be called by pointer"),
    option("ARM64_BTI_KERNEL", "cases", "can be jumped to by a table"),
    option("STACKPROTECTOR_STRONG", "array", "guards its stack"),
    option("STACKPROTECTOR_STRONG", "address", "guards its stack"),
    option("STACKPROTECTOR_PER_TASK", "array", "has the task's guard"),
];

const X86_64: [Option; 8] = [
    option("RETPOLINE", "pointer", "calls by a thunk"),
    option("RETPOLINE", "pointer", "calls and jumps by no register"),
    option("RETPOLINE", "tail", "jumps by a thunk"),
    option("RETHUNK", "leaf", "returns by the thunk"),
    option("RETHUNK", "array", "returns by the thunk"),
    option("X86_KERNEL_IBT", "leaf", "can be called by pointer"),
    option("STACKPROTECTOR_STRONG", "array", "guards its stack"),
    option("STACKPROTECTOR_STRONG", "address", "guards its stack"),
];

#[test]
fn rusts_functions_have_what_cs_have_on_arm64() {
    check("arm64", "-14", &ARM64);
}

/// clang 14 has no return thunks, and bindgen 0.56 does not understand the flags of clang 16.
#[test]
fn rusts_functions_have_what_cs_have_on_x86_64() {
    check("x86_64", "-15", &X86_64);
}

fn check(arch: &str, llvm: &str, options: &[Option]) {
    let names: BTreeSet<_> = options.iter().map(|option| option.name).collect();
    let names: Vec<_> = names.into_iter().collect();
    let tree = Tree::prepare(arch, llvm, &names);
    let copy = Copy::of(arch, tree.kdir.to_str().unwrap());
    fs::write(copy.path("modules/hardened.rs"), RUST).unwrap();
    fs::write(copy.path("bench/c/hardened.c"), C).unwrap();

    let complaints = build(&copy, &[]);
    every_function_that_has_a_large_frame_is_named(&complaints);
    assert!(!complaints.contains("objtool"), "{complaints}");
    let (rust, c) = twins(&copy, llvm);
    for Option {
        name,
        function,
        mark,
    } in options
    {
        assert!(
            c[*function].contains(mark),
            "{name}: {function} of C: {:?}",
            c[*function]
        );
        assert!(
            rust[*function].contains(mark),
            "{name}: {function}: {:?}",
            rust[*function]
        );
    }
    for (function, marks) in &c {
        let lacks: Vec<_> = marks.difference(&rust[function]).collect();
        assert!(lacks.is_empty(), "{function} lacks {lacks:?}");
    }
    every_function_of_the_checkouts_modules_has_what_all_of_the_twins_have(&copy, llvm);
    helpers_in_c_start_with_zeroes(&copy, llvm);
    of_objects_rust_lacks_what_make_how_names(&copy, llvm, options);
}

#[test]
fn rusts_functions_have_what_debians_kernel_for_arm64_asks_for() {
    let none_lacks = ["authenticates all returns"];
    check_stock("arm64", &ARM64, &["ARM64_BTI_KERNEL"], &none_lacks);
}

#[test]
fn rusts_functions_have_what_debians_kernel_for_x86_64_asks_for() {
    // No jump by a thunk, as there would be no trap behind it, which SLS asks for.
    let mut options: Vec<_> = X86_64.into_iter().collect();
    options.retain(|option| option.mark != "jumps by a thunk");
    let none_lacks = [
        "calls and jumps by no register",
        "does not return without the thunk",
        "does not jump by a thunk",
    ];
    check_stock("x86_64", &options, &["X86_KERNEL_IBT"], &none_lacks);
}

/// `off` are options that such a kernel does not have.
fn check_stock(arch: &str, options: &[Option], off: &[&str], none_lacks: &[&str]) {
    let kdir = tree::stock(arch);
    let config = fs::read_to_string(kdir.join(".config")).unwrap();
    let copy = Copy::of(arch, kdir.to_str().unwrap());
    fs::write(copy.path("modules/hardened.rs"), RUST).unwrap();
    build(&copy, &[]);
    let rust = marks(&copy, "-16", "hardened.ko", &in_rust);
    for Option {
        name,
        function,
        mark,
    } in options
    {
        let is_on = config
            .lines()
            .any(|line| line == format!("CONFIG_{name}=y"));
        assert_eq!(is_on, !off.contains(name), "{name}");
        let marks = &rust[*function];
        assert!(
            !is_on || marks.contains(mark),
            "{name}: {function}: {marks:?}"
        );
    }
    let modules = modules(&copy, "");
    assert!(modules.len() > 8, "{modules:?}");
    for module in modules {
        for function in disassembly(&copy, "-16", &module) {
            let marks = function.marks();
            let lacks: Vec<_> = none_lacks
                .iter()
                .filter(|mark| !marks.contains(*mark))
                .collect();
            assert!(
                lacks.is_empty(),
                "{}: {} lacks {lacks:?}",
                module.display(),
                function.name
            );
        }
    }
}

/// Builds, and returns what was complained of.
#[track_caller]
fn build(copy: &Copy, given: &[&str]) -> String {
    let mut make = copy.command();
    // There is no kernel that would have the symbols.
    make.env("BENCH", "y").env("KBUILD_MODPOST_WARN", "1");
    let make = make.args(given).output().unwrap();
    let complaints = String::from_utf8(make.stderr).unwrap();
    assert!(make.status.success(), "{complaints}");
    complaints
}

fn disassembly(copy: &Copy, llvm: &str, module: &Path) -> Vec<Function> {
    let objdump = Command::new(format!("llvm-objdump{llvm}"))
        .args(["-dr", "--no-show-raw-insn"])
        .arg(copy.built("").join(module))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&objdump.stderr);
    assert!(objdump.status.success(), "{}: {said}", module.display());
    functions(&String::from_utf8(objdump.stdout).unwrap())
}

type Marks = BTreeMap<String, BTreeSet<&'static str>>;

/// What is seen of the functions of the module in Rust, and of its twin's.
fn twins(copy: &Copy, llvm: &str) -> (Marks, Marks) {
    let rust = marks(copy, llvm, "hardened.ko", &in_rust);
    let c = marks(copy, llvm, "bench/c_hardened.ko", &|short| short.into());
    (rust, c)
}

/// How the name of a function of the module in Rust ends.
fn in_rust(short: &str) -> String {
    format!("8hardened{}{short}", short.len())
}

fn marks(copy: &Copy, llvm: &str, module: &str, name: &dyn Fn(&str) -> String) -> Marks {
    let functions = disassembly(copy, llvm, Path::new(module));
    let marks = |short: &str| {
        let is = |function: &&Function| function.name.ends_with(&name(short));
        let found = functions.iter().find(is);
        found
            .unwrap_or_else(|| panic!("{module} has no {short}"))
            .marks()
    };
    let names = [
        "array", "address", "frame", "leaf", "cases", "pointer", "tail",
    ];
    names
        .iter()
        .map(|short| (short.to_string(), marks(short)))
        .collect()
}

/// As clang says of C.
fn every_function_that_has_a_large_frame_is_named(complaints: &str) {
    let names = |end: &str| {
        let line = complaints.lines().find(|line| {
            line.contains("frame size") && line.contains("(1024)") && line.contains(end)
        });
        assert!(line.is_some(), "{end}: {complaints}");
    };
    names("'frame'");
    names("8hardened5frame'");
}

/// The modules that were built into a folder.
fn modules(copy: &Copy, folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(copy.built(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    let paths = names.map(|name| Path::new(folder).join(name));
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension() == Some("ko".as_ref()))
        .collect();
    paths.sort();
    paths
}

fn every_function_of_the_checkouts_modules_has_what_all_of_the_twins_have(copy: &Copy, llvm: &str) {
    let (twins, ours) = (modules(copy, "bench"), modules(copy, ""));
    assert!(twins.len() > 4 && ours.len() > 8, "{twins:?} {ours:?}");
    let all = twins
        .iter()
        .flat_map(|twin| disassembly(copy, llvm, twin))
        .map(|function| function.marks())
        .reduce(|all, marks| &all & &marks)
        .unwrap();
    assert!(!all.is_empty());
    for module in ours {
        for function in disassembly(copy, llvm, &module) {
            let lacks: Vec<_> = all.difference(&function.marks()).copied().collect();
            assert!(
                lacks.is_empty(),
                "{}: {} lacks {lacks:?}",
                module.display(),
                function.name
            );
        }
    }
}

/// Rust reads no variable before it is written; C has them written.
fn helpers_in_c_start_with_zeroes(copy: &Copy, llvm: &str) {
    let dis = Command::new(format!("llvm-dis{llvm}"))
        .args(["-o", "-"])
        .arg(copy.built("lkm/lkm.bc"))
        .output()
        .unwrap();
    assert!(dis.status.success());
    let text = String::from_utf8_lossy(&dis.stdout);
    assert!(text.contains("!\"auto-init\""));
}

fn of_objects_rust_lacks_what_make_how_names(copy: &Copy, llvm: &str, options: &[Option]) {
    fs::remove_dir_all(copy.path("modules")).unwrap();
    fs::create_dir(copy.path("modules")).unwrap();
    fs::write(copy.path("modules/hardened.rs"), RUST).unwrap();
    build(copy, &["LTO=n"]);
    let how = copy
        .command()
        .args(["-s", "how", "LTO=n"])
        .output()
        .unwrap();
    let how = String::from_utf8(how.stdout).unwrap();
    let (rust, _) = twins(copy, llvm);
    for Option {
        name,
        function,
        mark,
    } in options
    {
        let name = name.trim_end_matches("_PER_TASK");
        let is_named = how.split_whitespace().any(|word| word == name);
        let has = rust[*function].contains(mark);
        assert_eq!(has, !is_named, "{name}: {function} {mark}: {how}");
    }
}
