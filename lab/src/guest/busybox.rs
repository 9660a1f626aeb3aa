//! The guest's only foreign program: Debian's static busybox of the guest's architecture,
//! downloaded and unpacked, never installed.

use crate::cache::{self, find_program, Lock, State};
use crate::kernels::arch::Arch;
use crate::output::say;
use crate::steps::Steps;
use anyhow::{bail, Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The path of a static busybox for guests of `arch`; fetches it when it is not there.
pub fn prepare(arch: &Arch) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("RLKM_BUSYBOX").filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let folder = cache::dir()?.join("guest");
    if let (Some(path), _) = find(arch, &folder)? {
        return Ok(path);
    }
    let _lock = Lock::take(&format!("guest-{arch}"), &format!("the {arch} busybox"))?;
    let lost = match find(arch, &folder)? {
        (Some(path), _) => return Ok(path),
        (None, lost) => lost,
    };
    if let Some(path) = &lost {
        say!("the busybox for {arch} guests has lost {}", path.display());
    }
    fetch(arch, &folder).with_context(|| {
        format!("cannot get a busybox for {arch} guests; name a static one with RLKM_BUSYBOX=…")
    })
}

/// The newest unpacked package that is whole, and what another has lost.
fn find(arch: &Arch, folder: &Path) -> Result<(Option<PathBuf>, Option<PathBuf>)> {
    if !folder.is_dir() {
        return Ok((None, None));
    }
    let (mut found, mut lost) = (Vec::new(), None);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !name.starts_with(&format!("{arch}-")) {
            continue;
        }
        let busybox = path.join("bin/busybox");
        match cache::state(&path, true)? {
            State::Whole => found.push(busybox),
            State::Unrecorded if busybox.is_file() => found.push(busybox),
            State::Unrecorded => lost = Some(busybox),
            State::Lost(path) => lost = Some(path),
            State::Unfinished => {}
        }
    }
    Ok((found.into_iter().max(), lost))
}

fn fetch(arch: &Arch, folder: &Path) -> Result<PathBuf> {
    for tool in ["apt-get", "dpkg"] {
        find_program(tool).with_context(|| format!("no {tool} here"))?;
    }
    let package = format!("busybox-static:{}", arch.debian);
    let steps = Steps::new(cache::dir()?.join("log").join(format!("guest-{arch}.log")))?;
    let download = folder.join(format!("download.{arch}"));
    cache::start_over(&download)?;
    let mut apt = Command::new("apt-get");
    apt.current_dir(&download)
        .args(["-q", "download", &package]);
    steps.run(&format!("downloading {package}"), &mut apt)?;
    let deb = match fs::read_dir(&download)?.next() {
        Some(entry) => entry?,
        None => bail!("apt-get download {package} left no file"),
    };
    // Debian's names of files: PACKAGE_VERSION_ARCHITECTURE.deb
    let name = deb.file_name().to_string_lossy().into_owned();
    let version = name
        .split('_')
        .nth(1)
        .with_context(|| format!("{name}: not a package's name"))?;
    let unpacked = folder.join(format!("{arch}-{version}"));
    cache::start_over(&unpacked)?;
    let mut dpkg = Command::new("dpkg");
    dpkg.arg("-x").arg(deb.path()).arg(&unpacked);
    steps.run(&format!("unpacking {package}"), &mut dpkg)?;
    fs::remove_dir_all(&download)?;
    cache::mark_ready(&unpacked)?;
    Ok(unpacked.join("bin/busybox"))
}
