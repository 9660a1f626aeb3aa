//! A kernel that is none: a small tarball, and scripts for make and the compilers.

use crate::program::write_program;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A kernel's make, as far as the lab uses it. BUILD says what the build is to do,
/// and MENU is who uses the menu.
const MAKE: &str = r#"#!/bin/sh
for word; do case $word in O=*) O=${word#O=};; esac; done
case "$*" in
*allnoconfig) sed "$CONFIG_EDIT" "$KCONFIG_ALLCONFIG" >"$O/.config" ;;
*build_menuconfig) ;;
*menuconfig) export O; exec sh -c "$MENU" ;;
*modules)
    echo built >>"$BUILDS"
    { echo "$*"; env; } >"$BUILDS.said"
    echo "  CC      init/main.o"
    case $BUILD in
    fail) echo "main.c: error: broken"; exit 2 ;;
    wait) until [ -e "$BUILDS.go" ]; do sleep 0.05; done ;;
    esac
    mkdir -p "$O/arch/arm64/boot" "$O/include/config" "$O/include/generated"
    echo image >"$O/arch/arm64/boot/Image"
    for file in Makefile Module.symvers vmlinux .vmlinux.cmd include/config/auto.conf \
            include/generated/autoconf.h; do
        echo >"$O/$file"
    done
    ;;
esac
"#;

const PATCH: &str = "--- a/Makefile\n+++ b/Makefile\n@@ -1 +1 @@\n-unpatched\n+patched\n";

/// A checkout, a tarball, tools and a cache of their own.
pub struct Fake {
    pub dir: tempfile::TempDir,
}

impl Fake {
    pub fn new() -> Fake {
        let fake = Fake {
            dir: tempfile::tempdir().unwrap(),
        };
        fake.write("checkout/.config.fragment", "CONFIG_RUST=y\nCONFIG_SMP=y\n");
        fake.write("checkout/.config.fragment.arm64", "CONFIG_ARM=y\n");
        fake.write("checkout/.config.fragment.debug", "CONFIG_KASAN=y\n");
        fake.write("checkout/scripts/patches/0001-x.patch", PATCH);
        fake.write("linux/Makefile", "unpatched\n");
        fake.write("linux/include/linux/module.h", "/* a header */\n");
        for (name, script) in [
            ("make", MAKE),
            ("clang", "#!/bin/sh\necho clang 1\n"),
            ("tool", "#!/bin/sh\necho tool 1\n"),
        ] {
            write_program(&fake.path(&format!("bin/{name}")), script);
        }
        let tar = Command::new("tar")
            .arg("-C")
            .arg(fake.dir.path())
            .arg("-cf")
            .arg(fake.path("linux.tar"))
            .arg("linux")
            .status();
        assert!(tar.unwrap().success());
        fake
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn lab(&self) -> Command {
        let bin = self.path("bin");
        let path = std::env::var("PATH").unwrap();
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        lab.args(["tree", "--arch", "arm64"])
            .current_dir(self.path("checkout"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("LINUX_SOURCE", self.path("linux.tar"))
            .env("LLVM", format!("{}/", bin.display()))
            .env("RUSTC", bin.join("tool"))
            .env("BINDGEN", bin.join("tool"))
            .env("RLKM_BUSYBOX", "/bin/true")
            .env("BUILDS", self.path("builds"))
            .env("BUILD", "well")
            .env("CONFIG_EDIT", "")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        lab
    }
}
