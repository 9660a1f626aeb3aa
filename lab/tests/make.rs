//! What the Makefile checks before it compiles anything, and what it hands to Kbuild: the real
//! make, in a copy of the checkout's Makefile and scripts, on kernel trees that are made up.

mod program;

use program::write_program;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const CONFIG: &str = "\
CONFIG_CC_VERSION_TEXT=\"Debian clang version 14.0.6\"
CONFIG_CC_IS_CLANG=y
CONFIG_CLANG_VERSION=140006
CONFIG_RUST=y
CONFIG_RUSTC_VERSION_TEXT=\"rustc 9.63.0\"
CONFIG_BINDGEN_VERSION_TEXT=\"bindgen 9.56.0\"
CONFIG_ARM64=y
CONFIG_SMP=y
CONFIG_MODULE_UNLOAD=y
";

/// Stands for Kbuild: says what it was called with, and compiles nothing.
const MAKEFILE: &str = "\
VERSION = 6
PATCHLEVEL = 1
modules modules_install:
\t@echo $@ M=$(M) ARCH=$(ARCH) LLVM=$(LLVM) CROSS_COMPILE=$(CROSS_COMPILE) RUSTC=$(RUSTC) \\
\t\tHOSTRUSTC=$(HOSTRUSTC) BINDGEN=$(BINDGEN) INSTALL_MOD_PATH=$(INSTALL_MOD_PATH)
";

/// A checkout, a tree that it can be built against, and the tools that the tree was built with.
struct World {
    dir: TempDir,
}

/// What make said.
struct Said {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl World {
    fn new() -> World {
        let world = World {
            dir: TempDir::new().unwrap(),
        };
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for name in ["Makefile", "scripts/check-kdir.sh"] {
            let text = fs::read_to_string(checkout.join(name)).unwrap();
            write_program(&world.path("checkout").join(name), &text);
        }
        world.tree("tree");
        world.tool("rustc", "rustc 9.63.0");
        world.tool("bindgen", "bindgen 9.56.0");
        world.tool("clang-14", "Debian clang version 14.0.6");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// A built tree.
    fn tree(&self, name: &str) {
        self.write(&format!("{name}/Makefile"), MAKEFILE);
        self.write(&format!("{name}/.config"), CONFIG);
        let made = [
            "scripts/Makefile.build",
            "include/generated/autoconf.h",
            "rust/libkernel.rmeta",
            "Module.symvers",
        ];
        for file in made {
            self.write(&format!("{name}/{file}"), "");
        }
    }

    fn config(&self, from: &str, to: &str) {
        assert!(CONFIG.contains(from));
        self.write("tree/.config", &CONFIG.replace(from, to));
    }

    /// A program on PATH that says its version.
    fn tool(&self, name: &str, version: &str) {
        let text = format!("#!/bin/sh\necho '{version}'\n");
        write_program(&self.path(&format!("bin/{name}")), &text);
    }

    /// Runs make from outside of the checkout.
    fn make(&self, args: &[&str]) -> Said {
        let output = Command::new("make")
            .args(["--no-print-directory", "-C", "checkout"])
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.path("home"))
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            )
            .output()
            .unwrap();
        Said {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// make must fail with one line of ours, which holds `parts`, and without calling Kbuild.
    #[track_caller]
    fn refuses(&self, args: &[&str], parts: &[&str]) {
        let said = self.make(args);
        assert_eq!(said.status, Some(2), "{}", said.stderr);
        assert_eq!(said.stdout, "");
        let lines: Vec<_> = said
            .stderr
            .lines()
            .filter(|line| !line.starts_with("make: ***"))
            .collect();
        assert_eq!(lines.len(), 1, "{}", said.stderr);
        assert!(lines[0].starts_with("rlkm: "), "{}", said.stderr);
        for part in parts {
            assert!(lines[0].contains(part), "no {part:?} in {}", said.stderr);
        }
    }

    /// make must succeed; what Kbuild was called with.
    #[track_caller]
    fn builds(&self, args: &[&str]) -> String {
        let said = self.make(args);
        assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
        said.stdout
    }
}

#[test]
fn a_missing_kdir_is_refused() {
    World::new().refuses(
        &["KDIR=../nowhere"],
        &["KDIR=../nowhere is not there", "leave KDIR out"],
    );
}

#[test]
fn a_folder_that_is_no_tree_is_refused() {
    World::new().refuses(
        &["KDIR=../bin"],
        &["is not a kernel tree", "give the folder"],
    );
}

#[test]
fn a_space_in_a_path_is_refused() {
    let world = World::new();
    world.tree("my tree");
    world.refuses(&["KDIR=../my tree"], &["space", "../my tree", "move it"]);
}

#[test]
fn another_version_is_refused() {
    let world = World::new();
    world.write(
        "tree/Makefile",
        &MAKEFILE.replace("PATCHLEVEL = 1", "PATCHLEVEL = 12"),
    );
    world.refuses(&["KDIR=../tree"], &["is Linux 6.12", "give a 6.1 tree"]);
}

#[test]
fn a_tree_without_configuration_is_refused() {
    let world = World::new();
    world.remove("tree/.config");
    world.refuses(
        &["KDIR=../tree"],
        &["not configured and not built", "build it"],
    );
}

#[test]
fn a_tree_that_is_not_built_is_refused() {
    for made in [
        "include/generated/autoconf.h",
        "rust/libkernel.rmeta",
        "Module.symvers",
    ] {
        let world = World::new();
        world.remove(&format!("tree/{made}"));
        world.refuses(&["KDIR=../tree"], &["is not built", made, "build it"]);
    }
}

#[test]
fn a_tree_without_what_lkm_needs_is_refused() {
    for option in ["CONFIG_RUST", "CONFIG_SMP", "CONFIG_MODULE_UNLOAD"] {
        let world = World::new();
        world.config(&format!("{option}=y"), &format!("# {option} is not set"));
        let off = format!("{option} off");
        world.refuses(&["KDIR=../tree"], &[&off, "switch it on"]);
    }
    let world = World::new();
    world.config("CONFIG_SMP=y", "CONFIG_SMP=y\nCONFIG_PREEMPT_RT=y");
    world.refuses(&["KDIR=../tree"], &["CONFIG_PREEMPT_RT on", "without it"]);
}

#[test]
fn a_tree_for_another_arch_is_refused() {
    let world = World::new();
    world.refuses(
        &["KDIR=../tree", "ARCH=x86_64"],
        &[
            "was built for ARCH=arm64, not for ARCH=x86_64",
            "give its ARCH",
        ],
    );
    world.config("CONFIG_ARM64=y", "CONFIG_RISCV=y");
    world.refuses(
        &["KDIR=../tree"],
        &["was built for another ARCH, not for ARCH=arm64"],
    );
}

#[test]
fn an_unknown_arch_is_refused() {
    World::new().refuses(
        &["KDIR=../tree", "ARCH=riscv"],
        &["ARCH=riscv is not supported", "ARCH=arm64 or ARCH=x86_64"],
    );
}

#[test]
fn another_rustc_is_refused() {
    let world = World::new();
    world.tool("other-rustc", "rustc 9.95.0 (59807616e)");
    world.refuses(
        &["KDIR=../tree", "RUSTC=other-rustc"],
        &[
            "RUSTC=other-rustc is rustc 9.95.0",
            "built with rustc 9.63.0",
            "give RUSTC=",
        ],
    );
    world.refuses(
        &["KDIR=../tree", "RUSTC=/nowhere/rustc"],
        &["RUSTC=/nowhere/rustc is a command that does not run"],
    );
    world.remove("bin/rustc");
    world.refuses(
        &["KDIR=../tree"],
        &["no rustc 9.63.0 on PATH", "give RUSTC="],
    );
}

#[test]
fn a_missing_or_other_bindgen_is_refused() {
    let world = World::new();
    world.tool("other-bindgen", "bindgen 9.60.1");
    world.refuses(
        &["KDIR=../tree", "BINDGEN=other-bindgen"],
        &[
            "BINDGEN=other-bindgen is bindgen 9.60.1",
            "built with bindgen 9.56.0",
            "give BINDGEN=",
        ],
    );
    world.remove("bin/bindgen");
    world.refuses(
        &["KDIR=../tree"],
        &["no bindgen 9.56.0", "run scripts/setup.sh", "give BINDGEN="],
    );
}

#[test]
fn a_missing_c_compiler_is_refused() {
    let world = World::new();
    world.config("CONFIG_CLANG_VERSION=140006", "CONFIG_CLANG_VERSION=990006");
    world.refuses(
        &["KDIR=../tree"],
        &["no clang-99 on PATH", "Debian clang version", "give LLVM="],
    );
    world.write("tree/.config", &as_built_by("strange-gcc (Debian) 12.2.0"));
    world.refuses(
        &["KDIR=../tree"],
        &["no strange-gcc on PATH", "give CROSS_COMPILE="],
    );
}

fn as_built_by(gcc: &str) -> String {
    CONFIG
        .replace("Debian clang version 14.0.6", gcc)
        .replace("CONFIG_CC_IS_CLANG=y", "CONFIG_CC_IS_GCC=y")
}

#[test]
fn kbuild_is_called_with_the_tools_of_the_tree() {
    let world = World::new();
    let (root, rustc) = (world.dir.path().display(), world.path("bin/rustc"));
    assert_eq!(
        world.builds(&["KDIR=../tree"]),
        format!(
            "modules M={root}/checkout ARCH=arm64 LLVM=-14 CROSS_COMPILE= RUSTC={rustc} \
             HOSTRUSTC={rustc} BINDGEN={root}/bin/bindgen INSTALL_MOD_PATH=\n",
            rustc = rustc.display()
        )
    );
}

#[test]
fn the_bindgen_of_the_set_up_is_found() {
    let world = World::new();
    let own = "home/.cache/rlkm/tools/bindgen-9.56.0/bin/bindgen";
    fs::create_dir_all(world.path(own).parent().unwrap()).unwrap();
    fs::rename(world.path("bin/bindgen"), world.path(own)).unwrap();
    assert!(world
        .builds(&["KDIR=../tree"])
        .contains(&format!("BINDGEN={}", world.path(own).display())));
}

#[test]
fn a_plain_clang_of_the_right_version_is_taken() {
    let world = World::new();
    world.tool("clang", "Debian clang version 14.0.6");
    assert!(world.builds(&["KDIR=../tree"]).contains("LLVM=1 "));
    world.tool("clang", "Debian clang version 19.1.7");
    assert!(world.builds(&["KDIR=../tree"]).contains("LLVM=-14 "));
}

#[test]
fn given_tools_are_taken() {
    let world = World::new();
    world.tool("mine", "rustc 9.63.0");
    let args = [
        "KDIR=../tree",
        "RUSTC=../bin/mine",
        "LLVM=/usr/lib/llvm-14/bin/",
    ];
    let said = world.builds(&args);
    assert!(said.contains("bin/mine HOSTRUSTC=/"), "{said}");
    assert!(said.contains("LLVM=/usr/lib/llvm-14/bin/ "), "{said}");
}

#[test]
fn a_tree_built_by_gcc_gives_its_prefix() {
    let world = World::new();
    world.tool("strange-gcc", "strange-gcc (Debian) 12.2.0");
    world.write("tree/.config", &as_built_by("strange-gcc (Debian) 12.2.0"));
    assert!(world
        .builds(&["KDIR=../tree"])
        .contains("LLVM= CROSS_COMPILE=strange- "));
}

#[test]
fn a_build_folder_apart_from_its_source_is_a_tree() {
    let world = World::new();
    world.tree("tree/build");
    fs::remove_dir_all(world.path("tree/build/scripts")).unwrap();
    world.write(
        "tree/build/Makefile",
        "# Automatically generated by ../Makefile: don't edit\ninclude ../Makefile\n",
    );
    assert!(world
        .builds(&["KDIR=../tree/build"])
        .starts_with("modules "));
    world.write("tree/build/Makefile", "include /nowhere/Makefile\n");
    world.refuses(
        &["KDIR=../tree/build"],
        &["was built from the source in /nowhere, which is not there"],
    );
}

#[test]
fn a_jobserver_reaches_kbuild_and_install_paths_do_too() {
    let world = World::new();
    let said = world.builds(&[
        "-j3",
        "KDIR=../tree",
        "modules_install",
        "INSTALL_MOD_PATH=/there",
    ]);
    assert!(
        said.contains("\nmodules_install ") && said.contains("INSTALL_MOD_PATH=/there\n"),
        "{said}"
    );
}

#[test]
fn only_another_tree_or_configuration_starts_over() {
    let world = World::new();
    world.tree("other");
    world.write("checkout/modules/hello.rs", "");
    world.builds(&["KDIR=../tree"]);
    let remains = |args: &[&str]| {
        world.write("checkout/hello.ko", "");
        world.write("checkout/lkm/.lkm.o.cmd", "");
        world.write("checkout/target/debug/c.o", "");
        world.builds(args);
        assert!(
            world.path("checkout/target/debug/c.o").exists(),
            "cargo's own was removed"
        );
        let remains =
            ["hello.ko", "lkm/.lkm.o.cmd"].map(|name| world.path("checkout").join(name).exists());
        assert_eq!(remains[0], remains[1]);
        remains[0]
    };
    assert!(remains(&["KDIR=../tree"]));
    assert!(!remains(&["KDIR=../other"]));
    assert!(remains(&["KDIR=../other"]));
    world.write("other/.config", &format!("{CONFIG}CONFIG_KASAN=y\n"));
    assert!(!remains(&["KDIR=../other"]));
    assert!(!remains(&["clean"]));
}

#[test]
fn a_module_whose_source_is_gone_goes_too() {
    let world = World::new();
    world.write("checkout/modules/hello.rs", "");
    world.builds(&["KDIR=../tree"]);
    for name in ["hello.ko", "gone.ko"] {
        world.write(&format!("checkout/{name}"), "");
    }
    world.builds(&["KDIR=../tree"]);
    assert!(world.path("checkout/hello.ko").exists());
    assert!(!world.path("checkout/gone.ko").exists());
}

#[test]
fn modules_for_another_machine_are_not_installed_into_this_one() {
    let world = World::new();
    let said = world.make(&["modules_install", "KDIR=../tree"]);
    assert_ne!(said.status, Some(0));
    assert!(said.stderr.contains("INSTALL_MOD_PATH"), "{}", said.stderr);
}

#[test]
fn the_paths_in_use_are_printed_alone() {
    let world = World::new();
    let tree = fs::canonicalize(world.path("tree")).unwrap();
    assert_eq!(
        world.builds(&["-s", "kdir", "KDIR=../tree"]),
        format!("{}\n", tree.display())
    );
    assert_eq!(
        world.builds(&["-s", "image", "KDIR=../tree", "ARCH=x86_64"]),
        format!("{}/arch/x86/boot/bzImage\n", tree.display())
    );
}

#[test]
fn help_names_every_target() {
    let said = World::new().builds(&["help"]);
    for name in [
        "modules",
        "modules_install",
        "clean",
        "demo",
        "shell",
        "test",
        "check",
        "check-panics",
        "compile-fail",
        "unsafe",
        "torture",
        "bench",
        "tree",
        "kdir",
        "image",
        "KDIR=",
        "VARIANT=",
        "CPUS=",
        "NODE=",
        "CALLS=",
    ] {
        assert!(
            said.lines().any(|line| line.trim_start().starts_with(name)),
            "no {name} in {said}"
        );
    }
}
