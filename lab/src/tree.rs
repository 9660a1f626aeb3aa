//! `lab tree`: a kernel tree from Debian's source, our patches and our options, built once and
//! kept under a key of all that it was made from.

use crate::arch::{Arch, Named};
use crate::cache::{self, find_program, Lock};
use crate::fragment;
use crate::inputs::Inputs;
use crate::steps::{Steps, Total};
use crate::variant::Variant;
use anyhow::{bail, Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "linux-source-6.1";
const TARBALL: &str = "/usr/src/linux-source-6.1.tar.xz";
/// To be raised when this file builds a tree in another way, so that the old ones are not used.
const RECIPE: &str = "1";
const SETUP: &str = "on Debian 12, scripts/setup.sh installs it";

/// Prepare a kernel tree: unpack, patch, configure, build. Does nothing when it is there.
///
/// The tree is kept under a key of its inputs: the source's version, scripts/patches, the
/// .config.fragment files, the tools' versions. RUSTC, BINDGEN, LLVM (-14, 1 or a folder) and
/// LINUX_SOURCE (a tarball of 6.1) in the environment name other tools and another source.
#[derive(clap::Args)]
pub struct Args {
    /// Architecture of the kernel: arm64 or x86_64
    #[arg(long, env = "RLKM_ARCH", default_value = "arm64")]
    arch: Named,
    /// What the kernel is for
    #[arg(long, env = "RLKM_VARIANT", value_enum, default_value_t)]
    variant: Variant,
    /// Only print a path of the prepared tree, and build nothing
    #[arg(long, value_name = "WHAT")]
    print: Option<Print>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Print {
    /// The folder to give as KDIR
    Kdir,
    /// The image to boot
    Image,
}

pub fn main(args: Args) -> Result<()> {
    let plan = Plan::new(args.arch.0, args.variant)?;
    match args.print {
        Some(Print::Kdir) => println!("{}", plan.dir.display()),
        Some(Print::Image) => println!("{}", plan.image().display()),
        None => {
            plan.prepare()?;
            crate::busybox::prepare(args.arch.0)?;
            eprintln!(
                "lab: the {} tree is ready: {}",
                plan.name,
                plan.dir.display()
            );
        }
    }
    Ok(())
}

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
    /// The tree: that which was named, or the lab's own, of this variant.
    pub fn kdir(&self, variant: Variant) -> Result<PathBuf> {
        match &self.kdir {
            Some(kdir) => Ok(kdir.clone()),
            None => kdir(self.arch.0, variant),
        }
    }
}

/// The lab's own tree, which must be ready.
pub fn kdir(arch: &'static Arch, variant: Variant) -> Result<PathBuf> {
    let plan = Plan::new(arch, variant)?;
    if !cache::is_ready(&plan.dir) {
        bail!(
            "there is no finished {} tree for this checkout and these tools{}; \
             run `make tree ARCH={arch} VARIANT={variant}`, or name an image with --image or a tree \
             with --kdir",
            plan.name,
            plan.why()?
        );
    }
    Ok(plan.dir)
}

/// The tools that build a tree.
struct Tools {
    rustc: PathBuf,
    bindgen: PathBuf,
    clang: PathBuf,
    /// The kernel's `LLVM=`.
    llvm: String,
}

impl Tools {
    fn find() -> Result<Tools> {
        let given = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let own_bindgen = cache::dir()?.join("tools/bindgen-0.56.0/bin/bindgen");
        let rustc = given("RUSTC").unwrap_or_else(|| "/usr/bin/rustc".into());
        let bindgen = given("BINDGEN").unwrap_or_else(|| own_bindgen.to_string_lossy().into());
        let llvm = given("LLVM").unwrap_or_else(|| "-14".into());
        let clang = clang_of(&llvm);
        let need = |name: &str, variable: &str| {
            find_program(name)
                .with_context(|| format!("no {name}; {SETUP}, or name yours with {variable}=…"))
        };
        Ok(Tools {
            rustc: need(&rustc, "RUSTC")?,
            bindgen: need(&bindgen, "BINDGEN")?,
            clang: need(&clang, "LLVM")?,
            llvm,
        })
    }
}

/// The compiler that the kernel's Makefile runs for this `LLVM=`: a suffix, a folder, or plain.
fn clang_of(llvm: &str) -> String {
    match llvm {
        suffix if suffix.starts_with('-') => format!("clang{suffix}"),
        folder if folder.ends_with('/') => format!("{folder}clang"),
        _ => "clang".into(),
    }
}

/// A tree to be made, or made already.
struct Plan {
    arch: &'static Arch,
    /// Of the architecture and the variant.
    name: String,
    checkout: PathBuf,
    tools: Tools,
    tarball: PathBuf,
    patches: Vec<PathBuf>,
    fragments: Vec<PathBuf>,
    inputs: Inputs,
    source: PathBuf,
    dir: PathBuf,
}

impl Plan {
    fn new(arch: &'static Arch, variant: Variant) -> Result<Plan> {
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
            source: cache.join("src").join(source_key),
            dir: cache.join("tree").join(format!("{name}-{}", inputs.key())),
            name,
            inputs,
        })
    }

    fn image(&self) -> PathBuf {
        self.dir.join(self.arch.image)
    }

    /// Makes the tree, unless it is there.
    fn prepare(&self) -> Result<()> {
        if cache::is_ready(&self.dir) {
            return Ok(());
        }
        let name = format!("tree-{}", file_name(&self.dir));
        let _lock = Lock::take(&name, &format!("the {} kernel tree", self.name))?;
        if cache::is_ready(&self.dir) {
            return Ok(());
        }
        for tool in ["make", "flex", "bison", "bc", "tar", "xz", "patch"] {
            find_program(tool).with_context(|| format!("no {tool} on PATH; {SETUP}"))?;
        }
        eprintln!("lab: making the {} kernel tree{}", self.name, self.why()?);
        let steps = Steps::new(cache::dir()?.join("log").join(format!("{name}.log")))?;
        self.unpack(&steps)?;
        cache::start_over(&self.dir)?;
        self.configure(&steps)?;
        let count = self.build(&steps)?;
        fs::write(self.dir.join(STEPS), count.to_string())?;
        fs::write(self.dir.join(INPUTS), self.inputs.to_text())?;
        cache::mark_ready(&self.dir)
    }

    /// Which inputs are not those of the newest finished tree of this name.
    fn why(&self) -> Result<String> {
        let earlier = match self.newest()? {
            Some(earlier) => earlier,
            None => return Ok(String::new()),
        };
        let text = fs::read_to_string(earlier.join(INPUTS))?;
        let changed = self.inputs.changed_since(&text);
        Ok(format!(
            " (changed since {}: {})",
            file_name(&earlier),
            changed.join(", ")
        ))
    }

    /// The newest finished tree of this name.
    fn newest(&self) -> Result<Option<PathBuf>> {
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
                trees.push((fs::metadata(path.join(INPUTS))?.modified()?, path));
            }
        }
        Ok(trees.into_iter().max().map(|(_, path)| path))
    }

    /// The patched source, which all architectures and options share.
    fn unpack(&self, steps: &Steps) -> Result<()> {
        let name = format!("src-{}", file_name(&self.source));
        let _lock = Lock::take(&name, "the kernel source")?;
        if cache::is_ready(&self.source) {
            return Ok(());
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

    /// allnoconfig plus the fragments; every option in them must have taken effect.
    fn configure(&self, steps: &Steps) -> Result<()> {
        let mut texts = Vec::new();
        for path in &self.fragments {
            texts.push(
                fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?,
            );
        }
        let wishes = fragment::merge(&texts);
        let wishes_path = self.dir.join("fragment");
        fs::write(&wishes_path, &wishes)?;
        // Asked first, because otherwise CONFIG_RUST is just off, and nothing says why.
        steps.run("checking the Rust tools", self.make().arg("rustavailable"))?;
        let mut make = self.make();
        make.env("KCONFIG_ALLCONFIG", &wishes_path)
            .arg("allnoconfig");
        steps.run("configuring the kernel", &mut make)?;

        let config = fs::read_to_string(self.dir.join(".config"))?;
        let dropped = fragment::dropped(&wishes, &config);
        if !dropped.is_empty() {
            let lines: Vec<_> = dropped
                .iter()
                .map(|d| format!("  {}: wanted {}, is {}", d.option, d.wanted, d.actual))
                .collect();
            bail!(
                "these options of {}/.config.fragment* did not take effect; add what they depend on, or take them out:\n{}",
                self.checkout.display(),
                lines.join("\n")
            );
        }
        Ok(())
    }

    fn build(&self, steps: &Steps) -> Result<u64> {
        let total = match self
            .newest()?
            .map(|tree| fs::read_to_string(tree.join(STEPS)))
        {
            Some(text) => Total::Counted(text?.trim().parse()?),
            None => Total::Estimated(self.arch.build_steps),
        };
        let cores = std::thread::available_parallelism()?;
        let mut make = self.make();
        make.arg(format!("-j{cores}"))
            .args([self.arch.image_target, "modules"]);
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

    /// The kernel's make, with nothing of a make that may have called us.
    fn make(&self) -> Command {
        let mut make = Command::new("make");
        for name in [
            "MAKEFLAGS",
            "MFLAGS",
            "GNUMAKEFLAGS",
            "MAKELEVEL",
            "MAKEFILES",
            "MAKEOVERRIDES",
            "ARCH",
            "CROSS_COMPILE",
            "KDIR",
            "M",
            "O",
            "V",
            "KBUILD_OUTPUT",
            "KBUILD_EXTMOD",
            "KCONFIG_CONFIG",
        ] {
            make.env_remove(name);
        }
        let set = |name: &str, value: &Path| format!("{name}={}", value.display());
        make.env("LC_ALL", "C")
            // Fixed, so that two builds of the same inputs agree.
            .env("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970")
            .env("KBUILD_BUILD_USER", "rlkm")
            .env("KBUILD_BUILD_HOST", "lab")
            .arg("-C")
            .arg(&self.source)
            .arg(set("O", &self.dir))
            .arg(format!("ARCH={}", self.arch))
            .arg(format!("LLVM={}", self.tools.llvm))
            .arg(set("RUSTC", &self.tools.rustc))
            .arg(set("HOSTRUSTC", &self.tools.rustc))
            .arg(set("BINDGEN", &self.tools.bindgen));
        make
    }
}

/// What a finished tree says of itself, in the tree: its inputs, and how many steps its build had.
const INPUTS: &str = ".lab-inputs";
const STEPS: &str = ".lab-steps";

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

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvm_names_its_compiler_as_the_kernel_does() {
        assert_eq!(clang_of("-14"), "clang-14");
        assert_eq!(clang_of("1"), "clang");
        assert_eq!(clang_of("/opt/llvm/bin/"), "/opt/llvm/bin/clang");
    }
}
