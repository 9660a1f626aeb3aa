//! Debian's packages for a guest: downloaded and unpacked with the libraries that they need, never
//! installed.

use crate::cache::{self, find_program, Lock};
use crate::kernels::arch::Arch;
use crate::steps::Steps;
use anyhow::{bail, Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What no program in a guest asks for.
const LEFT_OUT: [&str; 6] = [
    "usr/share/doc",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/lib/TUPLE/gconv",
];

/// A name as Debian's policy has it.
pub fn parse_name(name: &str) -> Result<String, String> {
    let is_one = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_other = |c: char| is_one(c) || "+-.".contains(c);
    match name.starts_with(is_one) && name.chars().all(is_other) {
        true => Ok(name.to_owned()),
        false => Err("not the name of a package, such as strace".into()),
    }
}

/// The folders that hold the files of these packages, as they are to be in the guest.
pub fn prepare(arch: &Arch, names: &[String]) -> Result<Vec<PathBuf>> {
    let prepare = |name: &String| {
        let package = format!("{name}:{}", arch.debian);
        let folder = cache::dir()?.join("package").join(format!("{arch}-{name}"));
        let files = folder.join("files");
        if cache::state(&folder, false)?.is_fine() {
            return Ok(files);
        }
        let _lock = Lock::take(&format!("package-{arch}-{name}"), &package)?;
        if !cache::state(&folder, false)?.is_fine() {
            fetch(arch, &package, &folder)
                .with_context(|| format!("--package {name}: cannot get it"))?;
        }
        Ok(files)
    };
    names.iter().map(prepare).collect()
}

/// Downloads and unpacks a package and all that it depends on.
fn fetch(arch: &Arch, package: &str, folder: &Path) -> Result<()> {
    for tool in ["apt-cache", "apt-get", "dpkg"] {
        find_program(tool).with_context(|| format!("no {tool} here; it is Debian's"))?;
    }
    let packages = closure(package)?;
    cache::start_over(folder)?;
    let log = cache::dir()?
        .join("log")
        .join(format!("package-{arch}.log"));
    let steps = Steps::new(log)?;
    let download = folder.join("download");
    cache::make_dir(&download)?;
    let mut apt = Command::new("apt-get");
    apt.current_dir(&download).args(["-q", "download"]);
    steps.run(
        &format!("downloading {}", packages.join(", ")),
        apt.args(&packages),
    )?;
    let files = folder.join("files");
    cache::make_dir(&files)?;
    for deb in fs::read_dir(&download)? {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg("-x").arg(deb?.path()).arg(&files);
        steps.run("unpacking", &mut dpkg)?;
    }
    let cpu = arch.triple.split('-').next().unwrap_or("");
    for path in LEFT_OUT {
        let path = files.join(path.replace("TUPLE", &format!("{cpu}-linux-gnu")));
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        }
    }
    fs::remove_dir_all(&download)?;
    cache::mark_ready(folder)
}

/// The package and those that it depends on.
fn closure(package: &str) -> Result<Vec<String>> {
    let no = [
        "recommends",
        "suggests",
        "conflicts",
        "breaks",
        "replaces",
        "enhances",
    ];
    let mut apt = Command::new("apt-cache");
    apt.args(["depends", "--recurse"])
        .args(no.map(|kind| format!("--no-{kind}")))
        .arg(package);
    let output = apt.output().context("cannot run apt-cache")?;
    let text = String::from_utf8_lossy(&output.stdout);
    // Each package, and below it, indented, what it depends on; <…> are names that others provide.
    let is_package = |line: &&str| !line.starts_with([' ', '<', '|']);
    let packages: Vec<String> = text.lines().filter(is_package).map(Into::into).collect();
    if packages.is_empty() {
        bail!(
            "apt knows no {package}; `apt-get update` brings its lists up to date, and `dpkg \
             --add-architecture` those of another architecture"
        );
    }
    Ok(packages)
}
