//! A kernel tree from Debian's source, our patches and our options, built once and kept under a key
//! of all that it was made from.

use super::arch::{Arch, Named};
use super::fragment;
use super::tools::Tools;
use super::variant::Variant;
use super::which::Which;
use super::SETUP;
use crate::cache::inputs::Inputs;
use crate::cache::{self, State};
use crate::output::say;
use anyhow::{bail, Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "linux-source-6.1";
const TARBALL: &str = "/usr/src/linux-source-6.1.tar.xz";
/// To be raised when a tree is built in another way, so that the old ones are not used.
const RECIPE: &str = "1";

/// What a command boots that runs many guests of one kernel.
#[derive(clap::Args)]
pub struct Guests {
    /// Architecture of the guests: arm64 or x86_64
    #[arg(long, env = "RLKM_ARCH", default_value = "arm64")]
    pub arch: Named,
    /// Boot the image of this prepared tree [default: the lab's own tree]
    #[arg(long, value_name = "DIR", env = "RLKM_KDIR")]
    kdir: Option<PathBuf>,
}

impl Guests {
    /// The tree: that which was named, or that of this kernel.
    pub fn kdir(&self, kernel: &Which) -> Result<PathBuf> {
        match &self.kdir {
            Some(kdir) => Ok(kdir.clone()),
            None => kernel.kdir(self.arch.0),
        }
    }
}

/// The lab's own tree, which must be ready.
pub fn kdir(arch: &'static Arch, variant: Variant) -> Result<PathBuf> {
    let plan = Plan::new(arch, variant, &[])?;
    let what = match (plan.tree()?, plan.source(false)?) {
        (State::Unfinished, _) => format!(
            "there is no finished {} tree for this checkout and these tools{}",
            plan.name,
            plan.why()?
        ),
        (State::Lost(path), _) | (_, State::Lost(path)) => {
            format!("the {} tree has lost {}", plan.name, path.display())
        }
        _ => return Ok(plan.dir),
    };
    bail!(
        "{what}; run `make tree ARCH={arch} VARIANT={variant}`, or name an image with --image or a \
         tree with --kdir"
    )
}

/// The kernel's release as `uname -r` has it; none if the tree does not say it.
pub fn release(kdir: &Path) -> Option<String> {
    // Not include/config/kernel.release, which Debian's headers have with another.
    let text = fs::read_to_string(kdir.join("include/generated/utsrelease.h")).ok()?;
    let release = text
        .strip_prefix("#define UTS_RELEASE \"")?
        .split('"')
        .next()?;
    Some(release.to_owned())
}

/// A tree to be made, or made already.
pub struct Plan {
    pub arch: &'static Arch,
    /// Of the architecture and the variant.
    pub name: String,
    pub checkout: PathBuf,
    pub tools: Tools,
    pub tarball: PathBuf,
    pub patches: Vec<PathBuf>,
    pub fragments: Vec<PathBuf>,
    /// The text of a fragment of the user's, after those.
    pub wishes: String,
    pub inputs: Inputs,
    pub source: PathBuf,
    pub dir: PathBuf,
}

impl Plan {
    /// `wishes` are texts of fragments besides those of the checkout, of which a later one wins.
    pub fn new(arch: &'static Arch, variant: Variant, wishes: &[String]) -> Result<Plan> {
        let checkout = cache::checkout()?;
        let tools = Tools::find()?;
        let (tarball, version) = linux_source()?;
        let patches = patches(&checkout.join("scripts/patches"))?;
        let mut fragments = vec![
            checkout.join(".config.fragment"),
            checkout.join(format!(".config.fragment.{arch}")),
        ];
        if variant != Variant::Plain {
            fragments.push(checkout.join(format!(".config.fragment.{variant}")));
        }

        let mut inputs = Inputs::default();
        inputs.text("source", &version);
        for patch in &patches {
            inputs.file(&file_name(patch), patch)?;
        }
        let source_key = inputs.key();
        for path in &fragments {
            inputs.file(&file_name(path), path)?;
        }
        let wishes = fragment::merge(wishes);
        if !wishes.is_empty() {
            inputs.text("wishes", &wishes.trim_end().replace('\n', "; "));
        }
        let programs = [
            ("rustc", &tools.rustc),
            ("clang", &tools.clang),
            ("bindgen", &tools.bindgen),
        ];
        // Side by side: each of them takes a while to load its LLVM.
        let versions = std::thread::scope(|scope| {
            programs
                .map(|(_, path)| scope.spawn(|| version_of(path)))
                .map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked")))
        });
        for ((name, _), version) in programs.into_iter().zip(versions) {
            inputs.text(name, &version?);
        }
        inputs.text("LLVM", &tools.llvm);
        inputs.text("arch", arch.name);
        inputs.text("recipe", RECIPE);

        let cache = cache::dir()?;
        let name = variant.tree(arch);
        Ok(Plan {
            arch,
            checkout,
            tools,
            tarball,
            patches,
            fragments,
            wishes,
            source: cache.join("src").join(source_key),
            dir: cache.join("tree").join(format!("{name}-{}", inputs.key())),
            name,
            inputs,
        })
    }

    /// What is to be said of the tree. All of it is looked at: it is small.
    pub fn tree(&self) -> Result<State> {
        Ok(match cache::state(&self.dir, true)? {
            State::Unrecorded => match self.missing()? {
                Some(path) => State::Lost(path),
                None => State::Unrecorded,
            },
            state => state,
        })
    }

    /// What is to be said of its source, without which no module is built.
    pub fn source(&self, thorough: bool) -> Result<State> {
        cache::state(&self.source, thorough)
    }

    /// Something that is missing in a tree of which there is no record: what every tree has, and what
    /// Kbuild has noted that it made.
    fn missing(&self) -> Result<Option<PathBuf>> {
        let files = [
            self.arch.image,
            ".config",
            "Makefile",
            "Module.symvers",
            "include/config/auto.conf",
            "include/generated/autoconf.h",
        ];
        let mut paths = files.iter().map(|file| self.dir.join(file));
        if let Some(path) = paths.find(|path| !path.is_file()) {
            return Ok(Some(path));
        }
        let mut folders = vec![self.dir.clone()];
        while let Some(folder) = folders.pop() {
            let cannot = || format!("cannot read {}", folder.display());
            for entry in fs::read_dir(&folder).with_context(cannot)? {
                let entry = entry.with_context(cannot)?;
                if entry.file_type().with_context(cannot)?.is_dir() {
                    folders.push(entry.path());
                }
                // How NAME was made is in .NAME.cmd.
                let note = entry.file_name();
                let note = note.to_str().and_then(|note| note.strip_prefix('.'));
                if let Some(name) = note.and_then(|note| note.strip_suffix(".cmd")) {
                    let made = folder.join(name);
                    if !made.exists() {
                        return Ok(Some(made));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Makes the tree, or its source, unless they are there and whole.
    pub fn prepare(&self) -> Result<()> {
        let (tree, source) = (self.tree()?, self.source(false)?);
        if tree.is_fine() && source.is_fine() {
            for (state, dir) in [(tree, &self.dir), (source, &self.source)] {
                if state == State::Unrecorded {
                    cache::record(dir)?;
                }
            }
            return Ok(());
        }
        let lost = [("tree", tree), ("source", source)]
            .into_iter()
            .find_map(|(what, state)| {
                let text = |path: PathBuf| {
                    let name = &self.name;
                    format!("the {name} kernel {what} has lost {}", path.display())
                };
                match state {
                    State::Lost(path) => Some(text(path)),
                    _ => None,
                }
            });
        match lost {
            Some(lost) => {
                say!("{lost}");
                self.make_whole()
                    .with_context(|| format!("{lost}, and cannot be made anew"))
            }
            None => self.make_whole(),
        }
    }

    /// Which inputs are not those of the newest finished tree of this name.
    pub fn why(&self) -> Result<String> {
        let earlier = match self.newest()? {
            Some(earlier) => earlier,
            None => return Ok(String::new()),
        };
        let path = earlier.join(INPUTS);
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        let changed = self.inputs.changed_since(&text);
        Ok(format!(
            " (changed since {}: {})",
            file_name(&earlier),
            changed.join(", ")
        ))
    }

    /// The newest finished tree of this name.
    pub fn newest(&self) -> Result<Option<PathBuf>> {
        let folder = cache::dir()?.join("tree");
        if !folder.is_dir() {
            return Ok(None);
        }
        let mut trees = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = file_name(&path);
            let has_name = name
                .rsplit_once('-')
                .map_or(false, |(name, _)| name == self.name);
            if has_name && cache::is_ready(&path) {
                // One that has lost even that is none.
                if let Ok(inputs) = fs::metadata(path.join(INPUTS)) {
                    trees.push((inputs.modified()?, path));
                }
            }
        }
        Ok(trees.into_iter().max().map(|(_, path)| path))
    }
}

/// What a finished tree says of itself, in the tree: its inputs, and how many steps its build had.
pub const INPUTS: &str = ".lab-inputs";
pub const STEPS: &str = ".lab-steps";

/// The tarball, and a text that changes when it does.
fn linux_source() -> Result<(PathBuf, String)> {
    if let Some(path) = std::env::var_os("LINUX_SOURCE").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        let metadata = fs::metadata(&path)
            .with_context(|| format!("LINUX_SOURCE={}: cannot be read", path.display()))?;
        let modified = metadata.modified()?.duration_since(std::time::UNIX_EPOCH)?;
        let version = format!("{} {} {:?}", path.display(), metadata.len(), modified);
        return Ok((path, version));
    }
    let path = PathBuf::from(TARBALL);
    if !path.is_file() {
        bail!(
            "no {TARBALL} (package {PACKAGE}); {SETUP}, or name a 6.1 tarball with LINUX_SOURCE=…"
        );
    }
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${Version}", PACKAGE]);
    Ok((path, output(&mut query)?))
}

fn version_of(program: &Path) -> Result<String> {
    output(Command::new(program).arg("--version"))
}

fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The patches in the order of their numbers.
fn patches(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        if path
            .extension()
            .map_or(false, |extension| extension == "patch")
        {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

pub fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
