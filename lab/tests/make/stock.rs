//! A kernel without CONFIG_RUST, as distributions have it.

use crate::program::write_program;
use crate::world::{World, CONFIG};
use std::fs;

const RUST: &str = "CONFIG_RUST=y\n";

/// A tree as gcc has built it, without Rust, and what modules for it are built with.
fn world() -> World {
    let world = World::new();
    let config = CONFIG.replace(RUST, "").replace(
        "CONFIG_CC_IS_CLANG=y",
        "CONFIG_CC_IS_GCC=y\nCONFIG_DEBUG_INFO_BTF_MODULES=y",
    );
    let gcc = "aarch64-linux-gnu-gcc-12 (Debian 12.2.0) 12.2.0";
    let config = config.replace("Debian clang version 14.0.6", gcc);
    world.write("tree/.config", &config);
    world.remove("tree/rust/libkernel.rmeta");
    let sysroot = world.path("rust");
    let rustc = format!(
        "#!/bin/sh\ncase $* in\n*sysroot*) echo '{}' ;;\n*) echo 'rustc 1.63.0' ;;\nesac\n",
        sysroot.display()
    );
    write_program(&world.path("bin/rustc"), &rustc);
    world.write(LIBRARY, "");
    world.tool("bindgen", "bindgen 0.56.0");
    for name in [
        "clang",
        "llvm-ar",
        "llvm-link",
        "llvm-nm",
        "llvm-objcopy",
        "opt",
    ] {
        world.tool(&format!("{name}-16"), "Debian clang version 16.0.6");
    }
    for name in ["gcc", "ld", "ar", "nm", "objcopy", "strip"] {
        world.tool(&format!("aarch64-linux-gnu-{name}"), "12.2.0");
    }
    world
}

const LIBRARY: &str = "rust/lib/rustlib/src/rust/library/core/src/lib.rs";

#[test]
fn rust_is_compiled_by_what_lkm_is_written_for_and_linked_by_clang() {
    let world = world();
    let said = world.builds(&["KDIR=../tree"]);
    assert!(
        said.contains(" ARCH=arm64 LLVM= CROSS_COMPILE=aarch64-linux-gnu- "),
        "{said}"
    );
    let called = world.called();
    let expected = "LKM_CLANG=clang-16 LKM_LLVM_AR=llvm-ar-16 BTF= ";
    assert!(called.contains(expected), "{called}");
}

#[test]
fn what_is_missing_for_that_is_named() {
    let world = world();
    fs::remove_file(world.path(LIBRARY)).unwrap();
    world.refuses(
        &["KDIR=../tree"],
        &["library/core is not there", "rust-src"],
    );
    world.tool("rustc", "rustc 1.95.0");
    let taken = [
        "RUSTC=rustc is rustc 1.95.0",
        "CONFIG_RUST off",
        "take rustc 1.63",
    ];
    world.refuses(&["KDIR=../tree", "RUSTC=rustc"], &taken);
}

#[test]
fn a_kernel_whose_data_is_laid_out_in_another_way_is_refused() {
    let world = world();
    let config = fs::read_to_string(world.path("tree/.config")).unwrap();
    world.write("tree/.config", &format!("{config}CONFIG_RANDSTRUCT=y\n"));
    world.refuses(&["KDIR=../tree"], &["CONFIG_RANDSTRUCT on", "give a tree"]);
}

#[test]
fn the_architecture_is_that_of_the_tree() {
    let world = World::new();
    world.config("CONFIG_ARM64=y", "CONFIG_X86_64=y");
    let said = world.builds(&["KDIR=../tree"]);
    assert!(said.contains(" ARCH=x86_64 "), "{said}");
}

#[test]
fn a_kernel_of_debians_has_a_name_that_is_known() {
    let world = World::new();
    for (kernel, part) in [
        ("KERNEL=ubuntu", "is no kernel of Debian's"),
        ("KERNEL=stock:", "is no kernel of Debian's"),
        ("KERNEL=stock:6.1/..", "has no release"),
    ] {
        world.refuses(&[kernel], &[part, "as in KERNEL=stock:6.1.0-57"]);
    }
    world.refuses(&["KDIR=../tree", "KERNEL=stock"], &["leave one out"]);
}
