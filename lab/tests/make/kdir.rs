//! Which trees and tools are taken, and what Kbuild is called with.

use crate::world::{World, BESIDE_CLANG, CONFIG, MAKEFILE};
use std::fs;
use std::path::PathBuf;

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
    for option in ["CONFIG_SMP", "CONFIG_MODULE_UNLOAD"] {
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
    let called = world.builds(&["KDIR=../tree"]);
    let folder = world.folder();
    assert_eq!(
        called,
        format!(
            "modules M={folder} ARCH=arm64 LLVM=-14 CROSS_COMPILE= RUSTC={rustc} \
             HOSTRUSTC={rustc} BINDGEN={root}/bin/bindgen INSTALL_MOD_PATH=\n",
            folder = folder.display(),
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
    for name in BESIDE_CLANG {
        world.tool(name, "LLVM version 14.0.6");
    }
    assert!(world.builds(&["KDIR=../tree"]).contains("LLVM=1 "));
    world.tool("clang", "Debian clang version 19.1.7");
    assert!(world.builds(&["KDIR=../tree"]).contains("LLVM=-14 "));
}

#[test]
fn given_tools_are_taken() {
    let world = World::new();
    world.tool("mine", "rustc 9.63.0");
    world.llvm("llvm");
    let llvm = world.path("llvm").display().to_string();
    let args = ["KDIR=../tree", "RUSTC=../bin/mine", &format!("LLVM={llvm}")];
    let said = world.builds(&args);
    assert!(said.contains("bin/mine HOSTRUSTC=/"), "{said}");
    assert!(said.contains(&format!("LLVM={llvm}/ ")), "{said}");
}

/// bindgen would take the newest that there is, and may not understand it.
#[test]
fn bindgen_is_told_the_libclang_of_the_clang_that_builds() {
    let world = World::new();
    for (version, soname) in [("14", "libclang-14.so.1"), ("16", "libclang-16.so.1")] {
        world.llvm(&format!("llvm-{version}/bin"));
        world.write(&format!("llvm-{version}/lib/{soname}"), "");
        world.write(&format!("llvm-{version}/lib/libclang-cpp.so.{version}"), "");
    }
    let clang = world.path("bin/clang-14");
    fs::remove_file(&clang).unwrap();
    std::os::unix::fs::symlink("../llvm-14/bin/clang", &clang).unwrap();
    let said = |given: &[&str]| {
        world.builds(&[&["KDIR=../tree"], given].concat());
        let called = world.called();
        let path = called.split("LIBCLANG_PATH=").nth(1).unwrap();
        PathBuf::from(path.split(' ').next().unwrap())
    };
    let lib = |version: &str| {
        let folder = world.path(&format!("llvm-{version}/lib"));
        fs::canonicalize(folder).unwrap()
    };
    assert_eq!(said(&[]), lib("14"));
    assert_eq!(said(&["LLVM=../llvm-16/bin"]), lib("16"));
    let given = format!("LIBCLANG_PATH={}", lib("16").display());
    assert_eq!(said(&[&given]), lib("16"));
    world.remove("tree/called");
    world.write("empty/file", "");
    world.refuses(
        &["KDIR=../tree", "LIBCLANG_PATH=../empty"],
        &["LIBCLANG_PATH=", "has no libclang"],
    );
}

#[test]
fn a_tree_built_by_gcc_gives_its_prefix() {
    let world = World::new();
    for name in ["gcc", "ld", "ar", "nm", "objcopy", "strip"] {
        world.tool(&format!("strange-{name}"), "strange-gcc (Debian) 12.2.0");
    }
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
        "userland",
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
