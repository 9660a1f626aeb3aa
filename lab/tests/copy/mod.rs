//! The checkout, for the real Kbuild.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A copy of what building modules takes, for modules that are not in the checkout.
pub struct Copy {
    pub dir: TempDir,
    pub arch: String,
    pub kdir: String,
}

impl Copy {
    /// To be built against the tree `kdir`.
    pub fn of(arch: &str, kdir: &str) -> Copy {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        // What is new and not in git yet is part of it, what was built is not.
        let sources = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .args(["Kbuild", "Makefile", "bench/Kbuild", "bench/c"])
            .args(["include", "lkm", "modules", "scripts"])
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
        Copy {
            dir,
            arch: arch.into(),
            kdir: kdir.into(),
        }
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Its make.
    pub fn command(&self) -> Command {
        let mut make = Command::new("make");
        make.arg("-C")
            .arg(self.dir.path())
            .arg(format!("KDIR={}", self.kdir))
            .arg(format!("ARCH={}", self.arch));
        // Those of a make that may have called us; what it builds besides is not in the copy.
        for name in ["MAKEFLAGS", "MAKELEVEL", "TESTS", "BENCH", "RLKM_BUILD"] {
            make.env_remove(name);
        }
        make
    }

    /// What was built, in the folder of the last build.
    pub fn built(&self, name: &str) -> PathBuf {
        let folder = fs::canonicalize(self.path("target/kbuild/last")).unwrap();
        folder.join(name)
    }
}
