//! A checkout, kernel trees and tools, all made up, for the real Makefile and its scripts.

use crate::program::write_program;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

pub const CONFIG: &str = "\
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

/// Stands for Kbuild: says what it was called with, and puts something beside each module, as Kbuild
/// does.
pub const MAKEFILE: &str = r#"
VERSION = 6
PATCHLEVEL = 1
modules modules_install:
	@echo $@ M=$(M) ARCH=$(ARCH) LLVM=$(LLVM) CROSS_COMPILE=$(CROSS_COMPILE) RUSTC=$(RUSTC) \
		HOSTRUSTC=$(HOSTRUSTC) BINDGEN=$(BINDGEN) INSTALL_MOD_PATH=$(INSTALL_MOD_PATH)
	@echo O=$(O) KBUILD_OUTPUT=$(KBUILD_OUTPUT) KBUILD_EXTMOD=$(KBUILD_EXTMOD) V=$(V) W=$(W) \
		MODLIB=$(MODLIB) INSTALL_MOD_DIR=$(INSTALL_MOD_DIR) KCONFIG_CONFIG=$(KCONFIG_CONFIG) \
		LIBCLANG_PATH=$(LIBCLANG_PATH) LKM_CLANG=$(LKM_CLANG) LKM_LLVM_AR=$(LKM_LLVM_AR) \
		BTF=$(CONFIG_DEBUG_INFO_BTF_MODULES) KCFLAGS=$(KCFLAGS) CC=$(CC) >"$(CURDIR)/called"
	@cd $(M) && for source in modules/*.rs; do \
		name=$$(basename $$source .rs); \
		for made in $$name.ko $$name.o $$name.mod.c .$$name.o.cmd modules/$$name.o; do \
			[ ! -f $$source ] || [ -f $$made ] || echo "$$made for $(CURDIR)" >$$made; \
		done; \
	done
	@! [ -p "$(CURDIR)/wait" ] || read -r line <"$(CURDIR)/wait"
"#;

/// What else of LLVM Kbuild calls.
pub const BESIDE_CLANG: [&str; 5] = ["ld.lld", "llvm-ar", "llvm-nm", "llvm-objcopy", "llvm-strip"];

/// A module's source.
pub const HELLO: &str = "//! Says hello.\n";

/// A checkout, a tree that it can be built against, and the tools that the tree was built with.
pub struct World {
    pub dir: TempDir,
}

/// What make said.
pub struct Said {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    pub fn new() -> World {
        let world = World {
            dir: TempDir::new().unwrap(),
        };
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for name in ["Makefile", "tests/Cargo.toml", "tests/torture/main.rs"] {
            let text = fs::read_to_string(checkout.join(name)).unwrap();
            world.write(&format!("checkout/{name}"), &text);
        }
        for name in ["check-arguments.sh", "check-kdir.sh", "kbuild.sh"] {
            let name = format!("scripts/{name}");
            let text = fs::read_to_string(checkout.join(&name)).unwrap();
            write_program(&world.path("checkout").join(&name), &text);
        }
        world.write("checkout/Kbuild", "");
        world.write("checkout/modules/hello.rs", HELLO);
        world.tree("tree");
        world.tool("rustc", "rustc 9.63.0");
        world.tool("bindgen", "bindgen 9.56.0");
        world.tool("clang-14", "Debian clang version 14.0.6");
        for name in BESIDE_CLANG {
            world.tool(&format!("{name}-14"), "LLVM version 14.0.6");
        }
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// A built tree.
    pub fn tree(&self, name: &str) {
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

    pub fn config(&self, from: &str, to: &str) {
        assert!(CONFIG.contains(from));
        self.write("tree/.config", &CONFIG.replace(from, to));
    }

    /// A program on PATH that says its version.
    pub fn tool(&self, name: &str, version: &str) {
        let text = format!("#!/bin/sh\necho '{version}'\n");
        write_program(&self.path(&format!("bin/{name}")), &text);
    }

    /// A folder with clang and what goes with it.
    pub fn llvm(&self, folder: &str) {
        for name in BESIDE_CLANG.iter().chain(&["clang"]) {
            let text = "#!/bin/sh\necho 'Debian clang version 14.0.6'\n";
            write_program(&self.path(folder).join(name), text);
        }
    }

    /// make in the checkout, called from outside of it.
    pub fn command(&self) -> Command {
        let mut make = Command::new("make");
        make.args(["--no-print-directory", "-C", "checkout"])
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.path("home"))
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            );
        make
    }

    pub fn make(&self, args: &[&str]) -> Said {
        said(self.command().args(args))
    }

    /// What Kbuild was called with the last time, less what `make` prints of it.
    pub fn called(&self) -> String {
        fs::read_to_string(self.path("tree/called")).unwrap()
    }

    /// Where Kbuild has put what it made.
    pub fn folder(&self) -> PathBuf {
        let all = self.path("checkout/target/kbuild");
        fs::canonicalize(all.join("last")).unwrap()
    }

    /// make must fail with one line of ours, which holds `parts`, and do nothing.
    #[track_caller]
    pub fn refuses(&self, args: &[&str], parts: &[&str]) {
        self.refuses_command(self.command().args(args), parts);
    }

    #[track_caller]
    pub fn refuses_command(&self, command: &mut Command, parts: &[&str]) {
        let said = said(command);
        assert_eq!(said.status, Some(2), "{}", said.stderr);
        assert_eq!(said.stdout, "");
        let lines: Vec<_> = said
            .stderr
            .lines()
            .filter(|line| !line.starts_with("make: "))
            .collect();
        assert_eq!(lines.len(), 1, "{}", said.stderr);
        assert!(lines[0].starts_with("rlkm: "), "{}", said.stderr);
        for part in parts {
            assert!(lines[0].contains(part), "no {part:?} in {}", said.stderr);
        }
        assert!(!self.path("tree/called").exists(), "Kbuild was called");
        assert!(!self.path("checkout/target/debug").exists());
    }

    /// make must succeed; what Kbuild was called with.
    #[track_caller]
    pub fn builds(&self, args: &[&str]) -> String {
        let said = self.make(args);
        assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
        said.stdout
    }
}

/// Runs it to its end.
pub fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
