//! What a user gives: it is looked at before anything else is done, nothing of it is ever run, and
//! a path is taken from where make stands.

use crate::program::write_program;
use crate::world::{said, World, CONFIG};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Parts of names that a shell, make or Kbuild would take for something else. Those that run
/// something make a file called `pwned`, wherever they are run.
const HOSTILE: [&str; 28] = [
    "a b",
    "a\tb",
    "a\nb",
    "a'b",
    "a\"b",
    "a`touch pwned`b",
    "a$(touch pwned)b",
    "a$(shell touch pwned)b",
    "a$HOME",
    "a$$b",
    "a&touch pwned&b",
    "a;touch pwned;b",
    "a|touch pwned|b",
    "a<b",
    "a>b",
    "a(b",
    "a)b",
    "a{b,c}",
    "a*b",
    "a?b",
    "a[b]",
    "a\\b",
    "a!b",
    "a:b",
    "a=b",
    "a#b",
    "a%b",
    "a,b",
];

#[track_caller]
fn nothing_was_run(world: &World) {
    let pwned = Command::new("find")
        .arg(world.dir.path())
        .args(["-name", "pwned*"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&pwned.stdout), "");
}

#[test]
fn a_tree_whose_path_a_shell_would_take_apart_is_refused() {
    let world = World::new();
    for name in HOSTILE {
        world.tree(name);
        for args in [
            &[][..],
            &["modules"],
            &["-i"],
            &["-k", "-j2"],
            &["modules_install"],
        ] {
            let kdir = format!("KDIR=../{name}");
            world.refuses(
                &[args, &[&kdir]].concat(),
                &["Kbuild cannot work with", "KDIR="],
            );
        }
        world.refuses_command(
            world.command().env("KDIR", world.path(name)),
            &["Kbuild cannot work with", "KDIR="],
        );
        nothing_was_run(&world);
    }
}

#[test]
fn a_checkout_whose_path_a_shell_would_take_apart_is_refused() {
    let world = World::new();
    for name in HOSTILE {
        let checkout = world.path(name);
        fs::rename(world.path("checkout"), &checkout).unwrap();
        for args in [&["KDIR=../tree"][..], &["demo"], &["test"], &["torture"]] {
            let mut make = world.command();
            make.args(["-C"]).arg(&checkout).args(args);
            // The second -C is taken from the first.
            make.current_dir(&checkout).args(["-C", "."]);
            fs::create_dir_all(checkout.join("checkout")).unwrap();
            world.refuses_command(&mut make, &["Kbuild cannot work with", "CURDIR="]);
        }
        nothing_was_run(&world);
        fs::rename(&checkout, world.path("checkout")).unwrap();
    }
}

#[test]
fn whatever_is_given_is_not_run() {
    let world = World::new();
    let paths = [
        "RUSTC",
        "BINDGEN",
        "LLVM",
        "CROSS_COMPILE",
        "LIBCLANG_PATH",
        "CARGO",
        "LINUX_SOURCE",
        "INSTALL_MOD_PATH",
        "INSTALL_MOD_DIR",
        "MODLIB",
        "XDG_CACHE_HOME",
        "HOME",
    ];
    let values = ["ARCH", "VARIANT", "CPUS", "NODE", "SEED", "CALLS", "CYCLES"];
    for name in paths.iter().chain(&values) {
        // Those that would run something, and what would end a line.
        for value in HOSTILE
            .iter()
            .filter(|value| value.contains("pwned") || value.contains('\n'))
        {
            for goal in ["modules_install", "torture"] {
                let is_install = name.starts_with("INSTALL") || *name == "MODLIB";
                let is_torture = ["NODE", "SEED", "CALLS", "CYCLES"].contains(name);
                if is_install && goal == "torture" || is_torture && goal != "torture" {
                    continue;
                }
                let args = ["KDIR=../tree", goal];
                let given = format!("{name}={value}");
                world.refuses(&[&args[..], &[&given]].concat(), &[&format!("{name}=")]);
                world.refuses_command(
                    world.command().args(args).env(name, value),
                    &[&format!("{name}=")],
                );
            }
        }
        nothing_was_run(&world);
    }
}

#[test]
fn help_and_clean_use_none_of_it_and_run_none_of_it() {
    let world = World::new();
    for value in HOSTILE {
        let mut make = world.command();
        make.args(["help", "clean"]);
        for name in ["ARCH", "KDIR", "RUSTC", "CARGO", "VARIANT"] {
            make.env(name, value).arg(format!("{name}={value}"));
        }
        let said = said(&mut make);
        assert_eq!(
            (said.status, said.stderr.as_str()),
            (Some(0), ""),
            "{value}"
        );
        nothing_was_run(&world);
    }
}

#[test]
fn names_in_other_alphabets_and_with_a_dash_in_front_are_fine() {
    let world = World::new();
    for name in ["träe", "дерево", "-tree", "a~b", "a+b@c"] {
        world.tree(name);
        let said = world.builds(&[&format!("KDIR=../{name}")]);
        assert!(said.starts_with("modules "), "{said}");
    }
    world.tree("checkout/-tree");
    assert!(world.builds(&["KDIR=-tree"]).starts_with("modules "));
    fs::rename(world.path("checkout"), world.path("häuser")).unwrap();
    let mut make = world.command();
    make.current_dir(world.path("häuser"));
    fs::create_dir(world.path("häuser/checkout")).unwrap();
    let said = said(make.args(["-C", "..", "KDIR=../tree"]));
    assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
}

#[test]
fn values_that_mean_nothing_are_refused_before_anything_is_done() {
    let world = World::new();
    for (args, part) in [
        (&["ARCH=riscv"][..], "ARCH=riscv is not supported"),
        (&["VARIANT=x"], "VARIANT=x is no kernel"),
        (&["CPUS=x", "test"], "CPUS=x is no list"),
        (&["CPUS=0", "test"], "CPUS=0 is no list"),
        (&["CPUS=1,,2", "test"], "CPUS=1,,2 is no list"),
        (&["CPUS=-1", "test"], "CPUS=-1 is no list"),
        (&["SEED=x", "torture"], "SEED=x is no number"),
        (&["CALLS=-1", "torture"], "CALLS=-1 is no number"),
        (&["CYCLES=1e3", "torture"], "CYCLES=1e3 is no number"),
        (&["NODE=none", "torture"], "NODE=none: no such node"),
        (&["NODE=torture", "torture"], "NODE=torture: no such node"),
        (&["NODE=.*", "torture"], "NODE=.*: no such node"),
        (&["gdb"], "say which, as in make gdb MODULE=simrupt"),
        (&["MODULE=none", "gdb"], "MODULE=none: no such module"),
        (&["MODULE=../tree", "gdb"], "MODULE=../tree: no such module"),
        (&["test-nosuch"], "test-nosuch: no such suite"),
        (&["test-tests"], "test-tests: no such suite"),
        (&["test-.*"], "test-.*: no such suite"),
        (&["LLVM=2"], "LLVM=2"),
        (&["LLVM=-x"], "LLVM=-x is no suffix"),
        (&["LLVM=../nowhere"], "LLVM=../nowhere is not there"),
        (
            &["LIBCLANG_PATH=/nowhere"],
            "LIBCLANG_PATH=/nowhere is not there",
        ),
        (
            &["LINUX_SOURCE=/nowhere", "demo"],
            "LINUX_SOURCE=/nowhere is not there",
        ),
        (
            &["LLVM=-99"],
            "LLVM=-99 is a command that does not run (no clang-99",
        ),
        (
            &["LLVM=../bin"],
            "LLVM=../bin is a command that does not run (no clang,",
        ),
        (
            &["RUSTC=../nowhere/rustc"],
            "RUSTC=../nowhere/rustc is a command that does not run",
        ),
        (
            &["BINDGEN=no-such", "demo"],
            "BINDGEN=no-such is a command that does not run",
        ),
        (
            &["CARGO=no-such", "demo"],
            "CARGO=no-such is a command that does not run",
        ),
        (
            &["C=2", "CHECK=no-such"],
            "CHECK=no-such is a command that does not run",
        ),
        (
            &["CC=no-such-cc"],
            "CC=no-such-cc is a command that does not run",
        ),
        (&["LD=../bin/ld"], "LD=../bin/ld is a relative path"),
        (
            &["RUSTC=~nobody/rustc"],
            "RUSTC=~nobody/rustc begins with ~",
        ),
        (&["RUSTC=-v"], "RUSTC=-v is an option"),
        (
            &["KBUILD_EXTRA_SYMBOLS=Module.symvers"],
            "KBUILD_EXTRA_SYMBOLS=Module.symvers is a relative path",
        ),
    ] {
        world.refuses(args, &[part]);
        world.refuses(&[args, &["-n"]].concat(), &[part]);
        world.refuses(&[args, &["-i"]].concat(), &[part]);
    }
}

/// Where this host has them, they are fine.
#[test]
fn what_an_option_would_run_has_to_be_there() {
    let world = World::new();
    for (given, program, part) in [
        (
            "LLVM=1",
            "clang",
            "LLVM=1 is a command that does not run (no clang,",
        ),
        ("C=1", "sparse", "C=1 runs sparse, which is not there"),
        ("C=2", "sparse", "C=2 runs sparse, which is not there"),
    ] {
        let of_the_host = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(program));
        if of_the_host.iter().any(|path| path.exists()) {
            world.tool(program, "a program of the host's");
            assert!(world.builds(&["-n", given]).contains("kbuild.sh"));
        } else {
            world.refuses(&[given], &[part]);
        }
    }
}

#[test]
fn an_empty_value_is_no_value() {
    let world = World::new();
    let said = world.builds(&[
        "KDIR=../tree",
        "ARCH=",
        "VARIANT=",
        "CPUS=",
        "RUSTC=",
        "BINDGEN=",
        "LLVM=",
        "CARGO=",
        "CROSS_COMPILE=",
        "LIBCLANG_PATH=",
        "INSTALL_MOD_PATH=",
    ]);
    assert!(said.contains(" ARCH=arm64 LLVM=-14 "), "{said}");
}

#[test]
fn an_architecture_has_more_than_one_name() {
    let world = World::new();
    for name in ["arm64", "aarch64"] {
        let said = world.builds(&["KDIR=../tree", &format!("ARCH={name}")]);
        assert!(said.contains(" ARCH=arm64 "), "{said}");
    }
    world.config("CONFIG_ARM64=y", "CONFIG_X86_64=y");
    for name in ["x86_64", "x86", "amd64"] {
        let mut make = world.command();
        let said = said(make.arg("KDIR=../tree").env("ARCH", name));
        assert!(said.stdout.contains(" ARCH=x86_64 "), "{}", said.stderr);
    }
}

#[test]
fn a_relative_install_path_is_taken_from_where_the_user_stands() {
    let world = World::new();
    let at = |name: &str| format!("{}", world.path("checkout").join(name).display());
    for (given, name, path) in [
        ("INSTALL_MOD_PATH=out", "INSTALL_MOD_PATH", at("out")),
        ("INSTALL_MOD_PATH=./a/b/", "INSTALL_MOD_PATH", at("./a/b/")),
        ("INSTALL_MOD_PATH=../out", "INSTALL_MOD_PATH", at("../out")),
        ("INSTALL_MOD_PATH=-out", "INSTALL_MOD_PATH", at("-out")),
        ("MODLIB=out", "MODLIB", at("out")),
    ] {
        for as_variable in [true, false] {
            let mut make = world.command();
            make.args(["KDIR=../tree", "modules_install", "ARCH=arm64"]);
            if as_variable {
                make.arg(given);
            } else {
                make.env(name, &given[name.len() + 1..]);
            }
            let said = said(&mut make);
            assert_eq!(
                (said.status, said.stderr.as_str()),
                (Some(0), ""),
                "{given}"
            );
            let called = format!("{} {}", said.stdout.replace('\n', " "), world.called());
            assert!(called.contains(&format!("{name}={path} ")), "{called}");
        }
    }
}

#[test]
fn a_path_that_begins_with_a_tilde_is_below_home() {
    let world = World::new();
    world.tree("home/tree");
    let home = world.path("home").display().to_string();
    let said = world.builds(&["KDIR=~/tree", "modules_install", "INSTALL_MOD_PATH=~/out"]);
    assert!(
        said.contains(&format!("INSTALL_MOD_PATH={home}/out\n")),
        "{said}"
    );
    let mut make = world.command();
    make.arg("KDIR=~/tree").env_remove("HOME");
    world.refuses_command(
        &mut make,
        &["KDIR=~/tree begins with ~, and HOME is not set"],
    );
}

#[test]
fn an_install_path_that_cannot_be_written_is_refused_before_anything_is_built() {
    let world = World::new();
    world.write("file", "");
    for (path, part) in [
        ("INSTALL_MOD_PATH=../file", "is no folder"),
        ("INSTALL_MOD_PATH=../file/below", "is no folder"),
        ("INSTALL_MOD_PATH=/dev/null/out", "/dev/null is no folder"),
        ("MODLIB=../file", "is no folder"),
        ("INSTALL_MOD_DIR=../../up", "leaves lib/modules"),
        ("DESTDIR=../out", "give INSTALL_MOD_PATH="),
    ] {
        world.refuses(&["KDIR=../tree", "modules_install", path], &[part]);
    }
    // They are for modules_install alone, and packagers export them.
    let mut make = world.command();
    let said = said(make.args(["KDIR=../tree"]).env("DESTDIR", "/x"));
    assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
}

#[test]
fn relative_tools_are_taken_from_where_the_user_stands() {
    let world = World::new();
    world.tool("my-rustc", "rustc 9.63.0");
    world.tool("my-bindgen", "bindgen 9.56.0");
    world.llvm("llvm");
    let bin = world.path("checkout/../bin").display().to_string();
    let llvm = world.path("checkout/../llvm").display().to_string();
    for llvm_as_given in ["LLVM=../llvm", "LLVM=../llvm/"] {
        let said = world.builds(&[
            "KDIR=../tree",
            "RUSTC=../bin/my-rustc",
            "BINDGEN=../bin/my-bindgen",
            llvm_as_given,
        ]);
        for part in [
            format!("RUSTC={bin}/my-rustc "),
            format!("BINDGEN={bin}/my-bindgen "),
            format!("LLVM={llvm}/ "),
        ] {
            assert!(said.contains(&part), "no {part} in {said}");
        }
    }
    for name in ["gcc", "ld", "ar", "nm", "objcopy", "strip"] {
        world.tool(&format!("strange-{name}"), "strange-gcc (Debian) 12.2.0");
    }
    let config = CONFIG.replace("CONFIG_CC_IS_CLANG=y", "CONFIG_CC_IS_GCC=y");
    world.write("tree/.config", &config);
    let said = world.builds(&["KDIR=../tree", "CROSS_COMPILE=../bin/strange-"]);
    assert!(
        said.contains(&format!("CROSS_COMPILE={bin}/strange- ")),
        "{said}"
    );
}

#[test]
fn a_relative_tree_is_found_with_cdpath_exported() {
    let world = World::new();
    world.tree("elsewhere/tree");
    world.tree("checkout/tree");
    let mut make = world.command();
    make.args(["KDIR=tree"])
        .env("CDPATH", world.path("elsewhere"));
    let said = said(&mut make);
    assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
    assert!(world.path("checkout/tree/called").exists());
    // The scripts, called by hand, as well.
    let check = Command::new("scripts/check-kdir.sh")
        .args(["tree", "arm64"])
        .current_dir(world.path("checkout"))
        // A make that calls this test says which rustc compiles it.
        .env_clear()
        .env("CDPATH", world.path("elsewhere"))
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", world.path("bin").display()),
        )
        .output()
        .unwrap();
    let said = String::from_utf8(check.stdout).unwrap();
    let tree = world.path("checkout/tree");
    assert!(
        said.starts_with(&format!("-C {} ", tree.display())),
        "{said}"
    );
}

#[test]
fn scripts_that_are_called_by_hand_refuse_the_same_paths() {
    let world = World::new();
    for name in HOSTILE {
        let said = said(
            Command::new(world.path("checkout/scripts/check-kdir.sh"))
                .args([name, "arm64"])
                .current_dir(world.path("checkout")),
        );
        assert_eq!((said.status, said.stdout.as_str()), (Some(1), ""));
        assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
        assert!(said.stderr.starts_with("rlkm: Kbuild cannot work with"));
        nothing_was_run(&world);
    }
}

#[test]
fn no_home_is_needed_to_build_against_a_tree() {
    let world = World::new();
    let mut make = world.command();
    let said = said(make.arg("KDIR=../tree").env_remove("HOME"));
    assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
    world.remove("tree/called");
    world.remove("bin/bindgen");
    let mut make = world.command();
    make.arg("KDIR=../tree").env_remove("HOME");
    world.refuses_command(&mut make, &["no bindgen 9.56.0 on PATH", "give BINDGEN="]);
}

/// Every tool that Kbuild would call is missing in turn, or does not run.
#[test]
fn a_tool_that_does_not_run_is_named() {
    let world = World::new();
    world.llvm("llvm");
    let llvm = [
        "clang",
        "ld.lld",
        "llvm-ar",
        "llvm-nm",
        "llvm-objcopy",
        "llvm-strip",
    ];
    for name in llvm {
        let path = world.path("llvm").join(name);
        let text = fs::read_to_string(&path).unwrap();
        for broken in [
            None,
            Some("#!/bin/sh\nexit 1\n"),
            Some("#!/no/such/shell\n"),
        ] {
            match broken {
                Some(text) => write_program(&path, text),
                None => fs::remove_file(&path).unwrap(),
            }
            let given = ["KDIR=../tree", "LLVM=../llvm"];
            world.refuses(
                &given,
                &[
                    "LLVM=",
                    &path
                        .display()
                        .to_string()
                        .replace("/llvm/", "/checkout/../llvm/"),
                    "install clang-14",
                ],
            );
        }
        write_program(&path, &text);
    }
    // Nothing of that name on PATH: there is a clang-14, but no clang.
    for given in ["LLVM=1", "LLVM=-99"] {
        let mut make = world.command();
        make.args(["KDIR=../tree", given]);
        make.env("PATH", format!("{}:/bin", world.path("bin").display()));
        if Path::new("/bin/clang").exists() && given == "LLVM=1" {
            continue;
        }
        world.refuses_command(&mut make, &[given, "no clang"]);
    }
    let config = CONFIG.replace("CONFIG_CC_IS_CLANG=y", "CONFIG_CC_IS_GCC=y");
    world.write("tree/.config", &config);
    for name in ["gcc", "ld", "ar", "nm", "objcopy", "strip"] {
        world.tool(&format!("strange-{name}"), "strange-gcc (Debian) 12.2.0");
    }
    for name in ["gcc", "ld", "ar", "nm", "objcopy", "strip"] {
        let program = format!("bin/strange-{name}");
        world.remove(&program);
        world.refuses(
            &["KDIR=../tree", "CROSS_COMPILE=strange-"],
            &[&format!("strange-{name}"), "give CROSS_COMPILE="],
        );
        world.tool(&format!("strange-{name}"), "strange-gcc (Debian) 12.2.0");
    }
    world.refuses(
        &["KDIR=../tree", "LLVM=../llvm"],
        &["LLVM=", "leave LLVM out"],
    );
}
