//! A kernel tree as the lab's own, with more options, and prepared as far as modules need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Tree {
    pub kdir: PathBuf,
}

/// Besides what is to be seen: what that depends on, and what is the same everywhere.
const ALSO: [&str; 6] = [
    "STACKPROTECTOR=y",
    "INIT_STACK_ALL_ZERO=y",
    "FRAME_WARN=1024",
    "CPU_MITIGATIONS=y",
    "ARM64_PTR_AUTH=y",
    "ARM64_BTI=y",
];

impl Tree {
    /// Makes the tree, in a folder that stays, from the lab's source and options and with its tools,
    /// but for this LLVM.
    pub fn prepare(arch: &str, llvm: &str, options: &[&str]) -> Tree {
        let base = lab_tree(arch);
        let kdir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hardened-{arch}"));
        fs::create_dir_all(&kdir).unwrap();
        let wanted: Vec<_> = options.iter().map(|option| format!("{option}=y")).collect();
        let mut fragment = fs::read_to_string(base.join("fragment")).unwrap();
        let more = wanted.iter().map(|line| line.as_str()).chain(ALSO);
        fragment.extend(more.map(|line| format!("CONFIG_{line}\n")));
        fs::write(kdir.join("fragment"), fragment).unwrap();

        let make = |targets: &[&str]| {
            let mut make = Command::new("nice");
            make.arg("make")
                .args(arguments(&base, &kdir, arch, llvm))
                .args(targets);
            make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
            make.env("KCONFIG_ALLCONFIG", kdir.join("fragment"));
            said(&mut make);
        };
        make(&["allnoconfig"]);
        let config = fs::read_to_string(kdir.join(".config")).unwrap();
        for option in wanted
            .iter()
            .map(|line| line.as_str())
            .chain(["RUST=y", "FRAME_WARN=1024"])
        {
            let line = format!("CONFIG_{option}");
            assert!(
                config.lines().any(|has| has == line),
                "{line} is not in {}",
                kdir.display()
            );
        }
        let cores = std::thread::available_parallelism().unwrap();
        make(&[&format!("-j{cores}"), "prepare", "modules_prepare"]);
        fs::write(kdir.join("Module.symvers"), "").unwrap();
        Tree { kdir }
    }
}

/// The lab's own tree, which is made if it is not there.
fn lab_tree(arch: &str) -> PathBuf {
    ready(arch, "plain")
}

/// The headers of Debian's kernel, which are downloaded if they are not there.
pub fn stock(arch: &str) -> PathBuf {
    ready(arch, "stock")
}

fn ready(arch: &str, kernel: &str) -> PathBuf {
    let lab = |more: &[&str]| {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        said(
            lab.args(["tree", "--arch", arch, "--kernel", kernel])
                .args(more),
        )
    };
    lab(&[]);
    lab(&["--print", "kdir"]).trim().into()
}

/// What make is called with for the lab's tree, made to be for another.
fn arguments(base: &Path, kdir: &Path, arch: &str, llvm: &str) -> Vec<String> {
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/check-kdir.sh");
    let given = said(Command::new(check).arg(base).arg(arch));
    let clang =
        said(Command::new("sh").args(["-c", "realpath $(command -v $0)", &format!("clang{llvm}")]));
    let clang = PathBuf::from(clang.trim());
    let folder = clang.parent().unwrap().parent().unwrap();
    let mut words: Vec<String> = given.split_whitespace().map(String::from).collect();
    words[1] = fs::canonicalize(base.join("source"))
        .unwrap()
        .display()
        .to_string();
    words.push(format!("O={}", kdir.display()));
    // The last counts.
    words.push(format!("LLVM={llvm}"));
    words.push(format!("CLANG_PATH={}", clang.display()));
    words.push(format!("LIBCLANG_PATH={}", folder.join("lib").display()));
    words
}

#[track_caller]
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complaints) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}{complaints}");
    said
}
