//! Whether KVM runs guests here. `/dev/kvm` may exist and yet no guest ever come up under it, so
//! a guest is booted to see; the answer is kept until the host boots again.

use crate::arch::Arch;
use crate::cache;
use anyhow::{Context, Result};
use std::fs::{self, OpenOptions};
use std::process::{Command, Stdio};

/// How long the guest may take: one that runs under KVM needs a fraction of it.
const LIMIT: &str = "10";

pub fn runs_guests(arch: &Arch) -> Result<bool> {
    let device = OpenOptions::new().read(true).write(true).open("/dev/kvm");
    if !arch.is_host() || device.is_err() {
        return Ok(false);
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let answer = cache::dir()?.join(format!("kvm-{arch}-{}", boot.trim()));
    if let Ok(text) = fs::read_to_string(&answer) {
        return Ok(text == "yes");
    }
    let lab = std::env::current_exe().context("cannot tell where this program is")?;
    let status = Command::new(lab)
        .args([
            "run",
            "--accel=kvm",
            "--timeout",
            LIMIT,
            "--arch",
            arch.name,
            "--",
            "true",
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let runs = status.success();
    eprintln!(
        "lab: KVM {} a guest here",
        if runs { "runs" } else { "does not run" }
    );
    fs::write(answer, if runs { "yes" } else { "no" })?;
    Ok(runs)
}
