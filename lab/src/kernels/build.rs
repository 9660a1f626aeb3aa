//! How a tree is made: unpack, patch, configure, build.

use super::fragment;
use super::tree::{file_name, Plan, INPUTS, STEPS};
use super::SETUP;
use crate::cache::{self, find_program, Lock, State};
use crate::output::say;
use crate::steps::{Steps, Total};
use anyhow::{bail, Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What the kernel's build calls from PATH, whatever is built.
pub const HOST_TOOLS: [&str; 4] = ["make", "flex", "bison", "bc"];

impl Plan {
    /// Makes of the tree and its source what is not there or not whole.
    pub fn make_whole(&self) -> Result<()> {
        let name = format!("tree-{}", file_name(&self.dir));
        let _lock = Lock::take(&name, &format!("the {} kernel tree", self.name))?;
        let (tree, source) = (self.tree()?, self.source(false)?);
        if tree.is_fine() {
            if !source.is_fine() {
                let name = format!("src-{}.log", file_name(&self.source));
                self.unpack(&Steps::new(cache::dir()?.join("log").join(name))?, false)?;
            }
            return Ok(());
        }
        for tool in HOST_TOOLS {
            find_program(tool).with_context(|| format!("no {tool} on PATH; {SETUP}"))?;
        }
        say!("making the {} kernel tree{}", self.name, self.why()?);
        let steps = Steps::new(cache::dir()?.join("log").join(format!("{name}.log")))?;
        self.unpack(&steps, true)?;
        cache::start_over(&self.dir)?;
        self.configure(&steps, &self.dir, &self.wishes)?;
        let count = self.build(&steps)?;
        fs::write(self.dir.join(STEPS), count.to_string())?;
        fs::write(self.dir.join(INPUTS), self.inputs.to_text())?;
        cache::mark_ready(&self.dir)
    }

    /// The patched source, which all architectures and options share.
    pub(super) fn unpack(&self, steps: &Steps, thorough: bool) -> Result<()> {
        let name = format!("src-{}", file_name(&self.source));
        let _lock = Lock::take(&name, "the kernel source")?;
        if let State::Whole | State::Unrecorded = self.source(thorough)? {
            return Ok(());
        }
        for tool in ["tar", "xz", "patch"] {
            find_program(tool).with_context(|| format!("no {tool} on PATH; {SETUP}"))?;
        }
        cache::start_over(&self.source)?;
        let mut tar = Command::new("tar");
        tar.arg("-xf")
            .arg(&self.tarball)
            .arg("-C")
            .arg(&self.source)
            .arg("--strip-components=1");
        steps.run("unpacking the kernel source", &mut tar)?;
        for path in &self.patches {
            let mut patch = Command::new("patch");
            patch
                .args(["-p1", "--forward", "--batch", "-d"])
                .arg(&self.source)
                .arg("-i")
                .arg(path);
            steps.run(&format!("patch {}", file_name(path)), &mut patch)?;
        }
        steps.step("writing the source to disk", || {
            cache::mark_ready(&self.source)
        })
    }

    /// allnoconfig plus the fragments and `wishes`, in the folder `dir`; every option in them must have
    /// taken effect. Gives the configuration.
    pub(super) fn configure(&self, steps: &Steps, dir: &Path, wishes: &str) -> Result<String> {
        let mut texts = Vec::new();
        for path in &self.fragments {
            texts.push(
                fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?,
            );
        }
        texts.push(wishes.to_owned());
        let all = fragment::merge(&texts);
        let all_path = dir.join("fragment");
        fs::write(&all_path, &all)?;
        // Asked first, because otherwise CONFIG_RUST is just off, and nothing says why.
        steps.run(
            "checking the Rust tools",
            self.make(dir).arg("rustavailable"),
        )?;
        let mut make = self.make(dir);
        make.env("KCONFIG_ALLCONFIG", &all_path).arg("allnoconfig");
        steps.run("configuring the kernel", &mut make)?;

        let config = fs::read_to_string(dir.join(".config"))?;
        let dropped = fragment::dropped(&all, &config);
        if !dropped.is_empty() {
            let lines: Vec<_> = dropped
                .iter()
                .map(|d| format!("  {}: wanted {}, is {}", d.option, d.wanted, d.actual))
                .collect();
            bail!(
                "these options of {}/.config.fragment*{} did not take effect; add what they depend on, or take them out:\n{}",
                self.checkout.display(),
                if wishes.is_empty() { "" } else { ", --fragment and --set" },
                lines.join("\n")
            );
        }
        Ok(config)
    }

    /// Whether this line is in the tree's configuration.
    fn has(&self, option: &str) -> Result<bool> {
        let path = self.dir.join(".config");
        let config =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(config.lines().any(|line| line == option))
    }

    fn build(&self, steps: &Steps) -> Result<u64> {
        let counted = self.newest()?.and_then(|tree| {
            let text = fs::read_to_string(tree.join(STEPS)).ok()?;
            text.trim().parse().ok()
        });
        let total = match counted {
            Some(count) => Total::Counted(count),
            None => Total::Estimated(self.arch.build_steps),
        };
        let cores = std::thread::available_parallelism()?;
        let mut make = self.make(&self.dir);
        make.arg(format!("-j{cores}"))
            .args([self.arch.image_target, "modules"]);
        if self.has("CONFIG_GDB_SCRIPTS=y")? {
            make.arg("scripts_gdb");
        }
        // Kbuild's short lines: two spaces, a word in capitals, a file.
        let counts = |line: &str| {
            line.starts_with("  ") && line[2..].starts_with(|c: char| c.is_ascii_uppercase())
        };
        let name = format!("building the {} kernel", self.name);
        let count = steps.run_counting(&name, total, &mut make, counts)?;
        for file in [self.arch.image, "Module.symvers"] {
            if !self.dir.join(file).is_file() {
                bail!(
                    "the kernel build ended well but left no {file} in {}",
                    self.dir.display()
                );
            }
        }
        Ok(count)
    }

    /// The kernel's make that builds in `dir`, with nothing of a make that may have called us, nor of what a developer
    /// has exported for kernels of his own.
    pub(super) fn make(&self, dir: &Path) -> Command {
        let mut make = Command::new("make");
        let others = [
            "MAKEFLAGS",
            "MFLAGS",
            "GNUMAKEFLAGS",
            "MAKELEVEL",
            "MAKEFILES",
            "MAKEOVERRIDES",
            "ARCH",
            "CROSS_COMPILE",
            "LLVM_IAS",
            "KDIR",
            "M",
            "O",
            "V",
            "KCFLAGS",
            "KCPPFLAGS",
            "KAFLAGS",
            "KRUSTFLAGS",
            "MODLIB",
            "sub_make_done",
            "BINDGEN_EXTRA_CLANG_ARGS",
        ];
        let prefixes = ["KBUILD_", "KCONFIG_", "INSTALL_"];
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let is_kbuilds = prefixes.iter().any(|prefix| text.starts_with(prefix));
            if is_kbuilds || others.contains(&&*text) {
                make.env_remove(&name);
            }
        }
        if let Some(libclang) = &self.tools.libclang {
            make.env("LIBCLANG_PATH", libclang)
                .env("CLANG_PATH", &self.tools.clang);
        }
        let set = |name: &str, value: &Path| format!("{name}={}", value.display());
        make.env("LC_ALL", "C")
            // Fixed, so that two builds of the same inputs agree.
            .env("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970")
            .env("KBUILD_BUILD_USER", "rlkm")
            .env("KBUILD_BUILD_HOST", "lab")
            .arg("-C")
            .arg(&self.source)
            .arg(set("O", dir))
            .arg(format!("ARCH={}", self.arch))
            .arg(format!("LLVM={}", self.tools.llvm))
            .arg(set("RUSTC", &self.tools.rustc))
            .arg(set("HOSTRUSTC", &self.tools.rustc))
            .arg(set("BINDGEN", &self.tools.bindgen));
        make
    }
}
