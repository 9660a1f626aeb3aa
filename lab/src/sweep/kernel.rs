//! The kernels of a sweep.

use super::points::Param;
use crate::cache;
use crate::kernels::tree::Guests;
use crate::kernels::variant::Variant;
use crate::kernels::which::Which;
use anyhow::{bail, Context, Result};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A kernel that guests boot.
pub struct Kernel {
    pub which: Which,
    /// Its tree.
    pub kdir: PathBuf,
    /// The folder of the modules that were built for it, if there is one.
    pub modules: Option<PathBuf>,
}

/// Finds it, and refuses parameters of modules that were not built for it. `is_only`: whether there is
/// no other.
pub fn kernel(guests: &Guests, which: &Which, is_only: bool, params: &[Param]) -> Result<Kernel> {
    let kdir = fs::canonicalize(guests.kdir(which)?)
        .with_context(|| format!("there is no tree of a {which} kernel"))?;
    let of_tree = Variant::of_tree(&kdir);
    if of_tree.with_context(|| format!("{}: not a built tree", kdir.display()))? != which.variant()
    {
        bail!(
            "{} is no {which} kernel; without --kdir (RLKM_KDIR), --kernel names the lab's own",
            kdir.display()
        );
    }
    let arch = guests.arch.0;
    let folder = match cache::given_modules() {
        Some(folder) if is_only => folder,
        _ => {
            let kbuild = Command::new("scripts/kbuild.sh")
                .current_dir(cache::checkout()?)
                .arg("folder")
                .arg(&kdir)
                .arg(arch.name)
                .stdin(Stdio::null())
                .stderr(Stdio::inherit())
                .output()
                .context("cannot run scripts/kbuild.sh")?;
            let mut line = kbuild.stdout;
            if !kbuild.status.success() || line.pop() != Some(b'\n') {
                bail!("scripts/kbuild.sh cannot tell where the {which} kernel's modules are");
            }
            cache::checkout()?.join(OsString::from_vec(line))
        }
    };
    for param in params {
        if !folder.join(format!("{}.ko", param.module)).is_file() {
            bail!(
                "--param {}.{}: no such module for the {which} kernel; `make modules ARCH={arch} \
                 {}` builds those that there are",
                param.module,
                param.name,
                which.for_make()
            );
        }
    }
    Ok(Kernel {
        which: which.clone(),
        kdir,
        modules: Some(folder).filter(|folder| folder.is_dir()),
    })
}
