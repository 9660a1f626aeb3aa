//! The options that `run`, `shell` and `runner` share: which guest, with what in it.

use crate::cache::{self, runs};
use crate::guest::{elf, packages};
use crate::kernels::arch::{Arch, Named, ARCHES};
use crate::kernels::stock;
use crate::kernels::tree;
use crate::kernels::variant::Variant;
use crate::kernels::which::Which;
use crate::output::say;
use anyhow::{bail, Context, Result};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What guest to boot.
#[derive(clap::Args)]
pub struct Options {
    /// Architecture of the guest: arm64 or x86_64
    #[arg(long, env = "RLKM_ARCH", default_value = "arm64")]
    arch: Named,
    /// Which kernel to boot: plain, debug, or Debian's: stock, cloud, stock:6.1.0-57
    #[arg(
        long = "kernel",
        alias = "variant",
        value_name = "KERNEL",
        env = "RLKM_KERNEL",
        default_value_t
    )]
    kernel: Which,
    /// Number of CPUs
    #[arg(long, value_name = "N", env = "RLKM_CPUS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub cpus: u32,
    /// Memory, as QEMU writes it [default: 256M, and 512M for a kernel with KASAN]
    #[arg(long, value_name = "SIZE", env = "RLKM_MEMORY", value_parser = parse_memory)]
    memory: Option<String>,
    /// More words for the kernel's command line
    #[arg(
        long,
        value_name = "WORDS",
        env = "RLKM_APPEND",
        default_value = "",
        allow_hyphen_values = true,
        hide_default_value = true
    )]
    pub append: String,
    /// Time limit of the whole run; 0 is none [default: 300, 3600 for a kernel with KASAN, and none
    /// for a shell]
    #[arg(long, value_name = "SECONDS", env = "RLKM_TIMEOUT")]
    timeout: Option<u64>,
    /// Boot the image of this prepared tree [default: the lab's own tree]
    #[arg(long, value_name = "DIR", env = "RLKM_KDIR")]
    kdir: Option<PathBuf>,
    /// Boot this image
    #[arg(long, value_name = "FILE", env = "RLKM_IMAGE")]
    image: Option<PathBuf>,
    /// The folder of that image's own modules, for the drivers that the guest needs, such as
    /// /lib/modules/6.1.0-57-arm64
    #[arg(long = "modules", value_name = "DIR", requires = "image")]
    own_modules: Option<PathBuf>,
    /// A module for /modules [default: every .ko at the top of the checkout]
    #[arg(long = "module", value_name = "FILE")]
    modules: Vec<PathBuf>,
    /// Whether the modules that are for tests only go into the guest, too.
    #[arg(skip)]
    pub test_modules: bool,
    /// A program for /bin, besides those built into target/TRIPLE/{debug,release}
    #[arg(long = "program", value_name = "FILE")]
    programs: Vec<PathBuf>,
    /// A package of Debian's for the guest, with the libraries that it needs; nothing is installed here
    #[arg(long = "package", value_name = "NAME", value_parser = packages::parse_name)]
    pub packages: Vec<String>,
    /// A variable for the command's environment
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = clap::builder::OsStringValueParser::new())]
    env: Vec<OsString>,
    /// How to run the guest; auto is KVM where it really runs one, else TCG
    #[arg(long, env = "RLKM_ACCEL", value_enum, default_value_t = Accel::Auto)]
    pub accel: Accel,
    /// Count instructions: under TCG, a nanosecond of the guest's time is one instruction
    #[arg(long)]
    pub icount: bool,
    /// After the command, look for leaked memory: the kernel needs CONFIG_DEBUG_KMEMLEAK
    #[arg(long)]
    pub kmemleak: bool,
    /// What the run is called, for `lab runs` and others; one that lives has it alone [default: a free
    /// number]
    #[arg(long, value_name = "NAME", value_parser = runs::parse_id)]
    pub run_id: Option<String>,
    /// Whether `lab console` finds a shell on the guest's console.
    #[arg(skip)]
    pub console: bool,
    /// Have QEMU's monitor connect to this socket, where somebody listens who speaks QMP
    #[arg(long, value_name = "SOCKET")]
    pub qmp: Option<PathBuf>,
    /// Print QEMU's command line and run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Say what is run, where, and how long it took
    #[arg(short, long)]
    pub verbose: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Accel {
    Auto,
    Kvm,
    Tcg,
}

/// What is booted.
pub struct Kernel {
    pub image: PathBuf,
    pub variant: Variant,
    /// Modules of its own that a guest needs.
    pub drivers: Vec<PathBuf>,
    /// As `uname -r` has it, if that is known.
    release: Option<String>,
    /// What make is told to build modules for it.
    for_make: String,
}

impl Options {
    pub fn arch(&self) -> &'static Arch {
        self.arch.0
    }

    /// Takes the guest's architecture from a program that is to run in it.
    pub fn follow(&mut self, program: &Path) -> Result<()> {
        let elf = elf::read(program)?;
        let arch = elf.and_then(|elf| Arch::of_elf(elf.machine));
        let arch =
            arch.with_context(|| format!("{}: not a program for any guest", program.display()))?;
        self.arch = Named(arch);
        self.programs.push(program.to_owned());
        Ok(())
    }

    /// The time limit that was given, or for a run that of the kernel.
    pub fn timeout(&self, kernel: Option<&Kernel>) -> Option<Duration> {
        let default = kernel.map_or(0, |kernel| kernel.variant.timeout());
        match self.timeout.unwrap_or(default) {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        }
    }

    pub fn memory(&self, kernel: &Kernel) -> String {
        let memory = self.memory.as_deref();
        memory.unwrap_or_else(|| kernel.variant.memory()).to_owned()
    }

    /// The tree of the kernel to boot, which an image alone is not.
    pub fn tree(&self) -> Result<PathBuf> {
        match (&self.image, &self.kdir) {
            (Some(image), _) => bail!(
                "--image {}: an image is not enough; name its tree with --kdir",
                image.display()
            ),
            (None, Some(kdir)) => Ok(kdir.clone()),
            (None, None) => self.kernel.kdir(self.arch()),
        }
    }

    /// The kernel to boot.
    pub fn kernel(&self) -> Result<Kernel> {
        let (kdir, variant) = match (&self.image, &self.kdir) {
            (Some(_), _) => (None, self.kernel.variant()),
            (None, Some(kdir)) => {
                let variant = Variant::of_tree(kdir).unwrap_or_else(|_| self.kernel.variant());
                (Some(kdir.clone()), variant)
            }
            (None, None) => (Some(self.kernel.kdir(self.arch())?), self.kernel.variant()),
        };
        let (image, drivers, release) = match (&self.image, kdir) {
            (Some(image), _) => {
                let drivers = match &self.own_modules {
                    Some(folder) => stock::drivers(self.arch(), folder)?,
                    None => Vec::new(),
                };
                (image.clone(), drivers, None)
            }
            (None, kdir) => {
                let kdir = kdir.unwrap_or_default();
                (
                    kdir.join(self.arch().image),
                    match kdir.join(stock::DRIVERS) {
                        folder if folder.is_dir() => stock::drivers(self.arch(), &folder)?,
                        _ => Vec::new(),
                    },
                    tree::release(&kdir),
                )
            }
        };
        if !image.is_file() {
            bail!(
                "there is no kernel image {}; is that tree built, and for {}?",
                image.display(),
                self.arch()
            );
        }
        Ok(Kernel {
            image,
            variant,
            drivers,
            release,
            for_make: match &self.kdir {
                Some(kdir) if variant == Variant::Stock => format!("KDIR={}", kdir.display()),
                Some(_) => Which::Built(variant).for_make(),
                None => self.kernel.for_make(),
            },
        })
    }

    /// The modules that go into the guest.
    pub fn modules(&self, kernel: &Kernel) -> Result<Vec<PathBuf>> {
        for path in &self.modules {
            self.check_module(path, kernel)?;
        }
        if !self.modules.is_empty() {
            return Ok(self.modules.clone());
        }
        let checkout = cache::checkout()?;
        let mut found = files(cache::given_modules().as_deref().unwrap_or(&checkout))?;
        if self.test_modules {
            found.extend(files(&cache::modules(&checkout).join("tests"))?);
        }
        let mut modules = Vec::new();
        for path in found {
            if path.extension() == Some(OsStr::new("ko")) {
                match self.check_module(&path, kernel) {
                    Ok(()) => modules.push(path),
                    Err(e) => say!("left out of the guest: {e}"),
                }
            }
        }
        Ok(modules)
    }

    /// Whether modules were named, so that those of the checkout do not matter.
    pub fn names_modules(&self) -> bool {
        !self.modules.is_empty()
    }

    /// Has these modules go into the guest, and no others.
    pub fn name_modules(&mut self, modules: Vec<PathBuf>) {
        self.modules = modules;
    }

    /// The programs that were named.
    pub fn programs(&self) -> Result<Vec<PathBuf>> {
        for path in &self.programs {
            self.check_machine(path)?;
        }
        Ok(self.programs.clone())
    }

    /// The programs that cargo built for the guest, but those of which one of that name was named.
    pub fn built(&self) -> Result<Vec<PathBuf>> {
        let target = cache::target(&cache::checkout()?).join(self.arch().triple);
        let mut built: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
        for profile in ["debug", "release"] {
            for path in files(&target.join(profile))? {
                let metadata = fs::metadata(&path)?;
                let is_program =
                    metadata.permissions().mode() & 0o111 != 0 && path.extension().is_none();
                if is_program {
                    match self.check_machine(&path) {
                        Ok(()) => built.push((metadata.modified()?, path)),
                        Err(e) => say!("left out of the guest: {e}"),
                    }
                }
            }
        }
        // The newest of each name; what was named comes before what was found.
        built.sort();
        let mut programs: Vec<PathBuf> = Vec::new();
        for (_, path) in built.into_iter().rev() {
            let mut others = self.programs.iter().chain(&programs);
            if others.all(|program| program.file_name() != path.file_name()) {
                programs.push(path);
            }
        }
        // Not by their age: what a build has only touched is the same.
        programs.sort();
        Ok(programs)
    }

    /// Refuses a module of another architecture, and one for another kernel.
    fn check_module(&self, path: &Path, kernel: &Kernel) -> Result<()> {
        self.check_machine(path)?;
        let module = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let (path, kind) = (path.display(), kernel.variant);
        // An image does not tell its own.
        if self.image.is_some() {
            return Ok(());
        }
        let variant = Variant::of_module(&module);
        if (variant == Variant::Debug) != (kind == Variant::Debug) {
            bail!(
                "{path} is for a {variant} kernel, the guest's is {kind}; build it with `make {}`",
                kernel.for_make
            );
        }
        match (elf::vermagic(&module), &kernel.release) {
            (Some(own), Some(release)) if own != *release => bail!(
                "{path} is for Linux {own}, the guest's is {release}; build it with `make {}`",
                kernel.for_make
            ),
            _ => Ok(()),
        }
    }

    /// Refuses what is no file, or an ELF file of another architecture, and a program that needs a loader.
    fn check_machine(&self, path: &Path) -> Result<()> {
        let metadata =
            fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if !metadata.is_file() {
            bail!("{} is not a regular file", path.display());
        }
        let elf = match elf::read(path)? {
            Some(elf) => elf,
            None => return Ok(()),
        };
        if elf.machine != self.arch().elf_machine {
            let known = ARCHES.iter().find(|arch| arch.elf_machine == elf.machine);
            let actual = known.map_or("another architecture", |arch| arch.name);
            bail!(
                "{} is for {actual}, the guest is {}",
                path.display(),
                self.arch()
            );
        }
        if elf.dynamic {
            bail!(
                "{} is dynamically linked, and the guest has no libraries; build it with -C target-feature=+crt-static, or give Debian's with --package",
                path.display()
            );
        }
        Ok(())
    }

    /// The variables for the command, in their order.
    pub fn env(&self) -> Result<Vec<(String, OsString)>> {
        self.env.iter().map(|pair| split_variable(pair)).collect()
    }
}

/// A number, which is of MiB unless a letter follows that says of what; no more than QEMU can count.
fn parse_memory(text: &str) -> Result<String, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "k" | "K" => 10,
        "" | "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        _ => 64,
    };
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit());
    let bytes = digits
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(1u64.checked_shl(unit)?));
    match bytes {
        Some(1..=0x7fff_ffff_ffff_ffff) if is_number => Ok(text.to_owned()),
        _ => Err("give a number and K, M, G or T, such as 512M".into()),
    }
}

fn split_variable(pair: &OsStr) -> Result<(String, OsString)> {
    let bytes = pair.as_bytes();
    let parts = bytes.iter().position(|&byte| byte == b'=').and_then(|at| {
        let name = String::from_utf8(bytes[..at].to_vec()).ok()?;
        Some((name, OsString::from_vec(bytes[at + 1..].to_vec())))
    });
    parts.with_context(|| format!("--env {}: not NAME=VALUE", pair.to_string_lossy()))
}

/// The files of a folder, in the order of their names; none when there is no such folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
