//! Whether KVM runs guests here. `/dev/kvm` may exist and yet no guest ever come up under it, so
//! a guest is booted to see; the answer is kept until the host boots again.

use crate::cache;
use crate::kernels::arch::Arch;
use crate::output::say;
use anyhow::{Context, Result};
use std::fs::{self, OpenOptions};
use std::process::{Command, Stdio};

/// How long the guest may take: one that runs under KVM needs a fraction of it.
const LIMIT: &str = "10";

/// Whether it does; if that is not yet known and nothing is to be run, no.
pub fn runs_guests(arch: &Arch, may_run: bool) -> Result<bool> {
    let device = OpenOptions::new().read(true).write(true).open("/dev/kvm");
    if !arch.is_host() || device.is_err() {
        return Ok(false);
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let answer = cache::dir()?.join(format!("kvm-{arch}-{}", boot.trim()));
    match fs::read_to_string(&answer).as_deref() {
        Ok("yes") => return Ok(true),
        Ok("no") => return Ok(false),
        _ if !may_run => return Ok(false),
        // Not known, or not written to its end.
        _ => {}
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
    say!(
        "KVM {} a guest here",
        if runs { "runs" } else { "does not run" }
    );
    fs::write(&answer, if runs { "yes" } else { "no" })
        .with_context(|| format!("cannot write {}", answer.display()))?;
    Ok(runs)
}
