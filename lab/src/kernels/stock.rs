//! A kernel as Debian ships it: image, headers and the drivers that a guest needs, from packages that
//! are unpacked in the cache and never installed.

use super::arch::Arch;
use super::tree::{self, file_name};
use crate::cache::{self, find_program, Lock, State};
use crate::output::say;
use crate::steps::Steps;
use anyhow::{bail, Context, Result};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Beside the headers: drivers, which are modules there, of what the guest talks to the lab by.
pub const DRIVERS: &str = "lab-drivers";

/// Which of Debian's kernels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    pub cloud: bool,
    /// As in 6.1.0-57; without one it is the newest.
    pub release: Option<String>,
}

impl Stock {
    /// As an option names it: stock, cloud, stock:6.1.0-57.
    pub fn parse(name: &str) -> Option<Stock> {
        let (flavour, release) = match name.split_once(':') {
            Some((flavour, release)) => (flavour, Some(release)),
            None => (name, None),
        };
        let is_release = |release: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "+-.~".contains(c);
            release.starts_with(|c: char| c.is_ascii_digit()) && release.chars().all(known)
        };
        if !matches!(flavour, "stock" | "cloud") || !release.map_or(true, is_release) {
            return None;
        }
        Some(Stock {
            cloud: flavour == "cloud",
            release: release.map(str::to_owned),
        })
    }

    /// The end of the packages' names.
    fn flavour(&self, arch: &Arch) -> String {
        match self.cloud {
            true => format!("cloud-{}", arch.debian),
            false => arch.debian.to_owned(),
        }
    }

    /// The name of its folders, less the version.
    fn name(&self, arch: &Arch) -> String {
        let release = self.release.as_deref();
        let kind = if self.cloud { "cloud" } else { "stock" };
        format!("{arch}-{kind}-{}", release.unwrap_or_default())
    }

    /// The headers of the newest that is there.
    pub fn kdir(&self, arch: &Arch) -> Result<PathBuf> {
        match self.newest(arch)? {
            Some(folder) => headers(&folder),
            None => bail!(
                "there is no {self} kernel for {arch} here; run `make tree ARCH={arch} KERNEL={self}`, which \
                 downloads it"
            ),
        }
    }

    fn newest(&self, arch: &Arch) -> Result<Option<PathBuf>> {
        let folder = cache::dir()?.join("stock");
        if !folder.is_dir() {
            return Ok(None);
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = file_name(&path);
            let of_it = match (name.strip_prefix(&self.name(arch)), &self.release) {
                (None, _) => false,
                (Some(rest), Some(_)) => rest.starts_with('_'),
                (Some(_), None) => true,
            };
            if of_it && cache::state(&path, false)?.is_fine() {
                found.push((fs::metadata(&path)?.modified()?, path));
            }
        }
        Ok(found.into_iter().max().map(|(_, path)| path))
    }

    /// Downloads it, unless it is there; returns the folder to give as KDIR.
    pub fn prepare(&self, arch: &Arch) -> Result<PathBuf> {
        for tool in ["apt-get", "apt-cache", "dpkg"] {
            find_program(tool).with_context(|| {
                format!("no {tool} here: a {self} kernel is Debian's; name another with --kdir")
            })?;
        }
        let flavour = self.flavour(arch);
        let release = match &self.release {
            Some(release) => release.clone(),
            None => newest_release(arch, &flavour)?,
        };
        let of_arch = |package: &str| format!("{package}-{release}-{flavour}:{}", arch.debian);
        let (image, own) = (of_arch("linux-image"), of_arch("linux-headers"));
        let version = field(&image, "Version").with_context(|| {
            format!("apt knows no package {image}; is that one of `apt-cache search linux-image-6.1`, and is {0} \
                     among its architectures (`dpkg --add-architecture {0}`, `apt-get update`)?", arch.debian)
        })?;
        let exact = Stock {
            release: Some(release.clone()),
            ..self.clone()
        };
        let name = format!("{}_{version}", exact.name(arch));
        let folder = cache::dir()?.join("stock").join(&name);
        if cache::state(&folder, true)? == State::Whole {
            return headers(&folder);
        }
        let _lock = Lock::take(&name, &format!("the {self} kernel"))?;
        match cache::state(&folder, true)? {
            State::Whole => return headers(&folder),
            State::Lost(path) => say!("the {self} kernel has lost {}", path.display()),
            _ => {}
        }
        let common = format!("linux-headers-{release}-common={version}");
        let kbuild = format!("linux-kbuild-6.1={version}");
        let at = |package: String| format!("{package}={version}");
        let steps = Steps::new(cache::dir()?.join("log").join(format!("{name}.log")))?;
        self.unpack(arch, &steps, &folder, &[at(image), at(own), common, kbuild])?;
        let kdir = headers(&folder)?;
        take_image(arch, &folder, &kdir)?;
        take_drivers(arch, &folder, &kdir)?;
        // The headers' Makefile says where Debian would have installed the rest.
        let makefile = kdir.join("Makefile");
        let text = fs::read_to_string(&makefile)
            .with_context(|| format!("cannot read {}", makefile.display()))?;
        let source = format!("include {}/usr/src/", folder.display());
        fs::write(&makefile, text.replace("include /usr/src/", &source))?;
        cache::mark_ready(&folder)?;
        Ok(kdir)
    }

    fn unpack(&self, arch: &Arch, steps: &Steps, folder: &Path, packages: &[String]) -> Result<()> {
        cache::start_over(folder)?;
        let download = folder.join("download");
        cache::make_dir(&download)?;
        let mut apt = Command::new("apt-get");
        apt.current_dir(&download)
            .args(["-q", "download"])
            .args(packages);
        steps.run(
            &format!("downloading the {self} kernel for {arch}"),
            &mut apt,
        )?;
        for entry in fs::read_dir(&download)? {
            let package = entry?.path();
            let mut dpkg = Command::new("dpkg");
            dpkg.arg("-x").arg(&package).arg(folder);
            steps.run(&format!("unpacking {}", file_name(&package)), &mut dpkg)?;
        }
        fs::remove_dir_all(&download)?;
        Ok(())
    }
}

impl fmt::Display for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.cloud { "cloud" } else { "stock" })?;
        match &self.release {
            Some(release) => write!(f, ":{release}"),
            None => Ok(()),
        }
    }
}

/// What the package that always stands for the newest kernel depends on.
fn newest_release(arch: &Arch, flavour: &str) -> Result<String> {
    let package = format!("linux-headers-{flavour}:{}", arch.debian);
    let depends = field(&package, "Depends")?;
    let name = depends.split_whitespace().next().unwrap_or_default();
    let release = name.strip_prefix("linux-headers-");
    let release = release.and_then(|rest| rest.strip_suffix(&format!("-{flavour}")));
    match release {
        Some(release) if release.starts_with("6.1.") => Ok(release.to_owned()),
        _ => bail!("{package} is {name:?}, and no 6.1 kernel's; this needs Debian 12's packages"),
    }
}

/// A field of what apt knows of a package.
fn field(package: &str, name: &str) -> Result<String> {
    let output = Command::new("apt-cache")
        .args(["show", "--no-all-versions", package])
        .output()
        .context("cannot run apt-cache")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.map(str::to_owned).with_context(|| {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        format!("apt knows no {name} of {package}: {said}; is its list there (`apt-get update`)?")
    })
}

/// The folder to build against: the only headers that say which they are for.
fn headers(folder: &Path) -> Result<PathBuf> {
    let all = folder.join("usr/src");
    for entry in fs::read_dir(&all).with_context(|| format!("cannot read {}", all.display()))? {
        let path = entry?.path();
        if path.join(".config").is_file() {
            return Ok(path);
        }
    }
    bail!("{}: no headers in it", all.display())
}

/// Puts the image where a tree has it.
fn take_image(arch: &Arch, folder: &Path, kdir: &Path) -> Result<()> {
    let boot = folder.join("boot");
    let release = tree::release(kdir).context("the headers do not say of what release they are")?;
    let image = boot.join(format!("vmlinuz-{release}"));
    let place = kdir.join(arch.image);
    cache::make_dir(place.parent().unwrap_or(kdir))?;
    fs::rename(&image, &place).with_context(|| format!("cannot move {}", image.display()))?;
    fs::remove_dir_all(&boot)?;
    Ok(())
}

/// Keeps, of all of its modules, those that the guest needs.
fn take_drivers(arch: &Arch, folder: &Path, kdir: &Path) -> Result<()> {
    let place = kdir.join(DRIVERS);
    cache::make_dir(&place)?;
    for path in drivers(arch, &folder.join("lib/modules"))? {
        let name = path.file_name().unwrap_or_default();
        fs::rename(&path, place.join(name))?;
    }
    fs::remove_dir_all(folder.join("lib"))?;
    Ok(())
}

/// The drivers of the guest's ports in a folder of modules, or in one below it, in the order in which
/// they are loaded.
pub fn drivers(arch: &Arch, modules: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![modules.to_owned()];
    while let Some(folder) = folders.pop() {
        let cannot = || format!("cannot read {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            if entry.file_type().with_context(cannot)?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            let name = entry.file_name();
            let (name, end) = match name.to_str().and_then(|name| name.split_once('.')) {
                Some(parts) => parts,
                None => continue,
            };
            if let Some(place) = arch.drivers.iter().position(|driver| *driver == name) {
                match end {
                    "ko" => found.push((place, entry.path())),
                    _ if end.starts_with("ko.") => {
                        bail!("{}: compressed; unpack it beside", entry.path().display())
                    }
                    _ => {}
                }
            }
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_of_debians_has_a_name_and_perhaps_a_release() {
        for (name, cloud, release) in [
            ("stock", false, None),
            ("cloud", true, None),
            ("stock:6.1.0-57", false, Some("6.1.0-57")),
            ("cloud:6.1.0-53", true, Some("6.1.0-53")),
        ] {
            let stock = Stock::parse(name).unwrap();
            assert_eq!((stock.cloud, stock.release.as_deref()), (cloud, release));
            assert_eq!(stock.to_string(), name);
        }
        for name in ["", "stocks", "stock:", "stock:x", "stock:6.1/..", "plain"] {
            assert_eq!(Stock::parse(name), None, "{name}");
        }
    }
}
