//! GNU parallel, for jobs on this machine or on others.

use super::engine::{self, Other};
use anyhow::{bail, Context, Result};
use nix::sys::signal::Signal;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Another program of that name is in moreutils.
pub(super) fn check() -> Result<()> {
    let version = Command::new("parallel")
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    match version {
        Ok(output) if output.stdout.starts_with(b"GNU parallel") => Ok(()),
        _ => bail!(
            "--engine parallel: no GNU parallel on PATH; on Debian 12, `apt install parallel` \
             installs it"
        ),
    }
}

pub(super) fn start(place: &Path, jobs: &[PathBuf], at_once: usize) -> Result<Other> {
    let list = list(place, jobs)?;
    let mut parallel = Command::new("parallel");
    parallel
        .args(["--will-cite", "--quote", "--jobs", &at_once.to_string()])
        .arg("--joblog")
        .arg(place.join("parallel.log"))
        .arg(std::env::current_exe().context("cannot tell where this program is")?)
        .args(["job", "{}"])
        .arg("::::")
        .arg(list)
        .stdout(Stdio::null());
    Ok(Other {
        child: engine::start(&mut parallel)?,
        end: Box::new(end),
    })
}

/// The first has it start no more, the second ends what runs.
fn end(child: &mut Child) {
    for _ in 0..2 {
        engine::signal(child, Signal::SIGTERM);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// Writes the folders of jobs, one a line.
pub(super) fn list(place: &Path, jobs: &[PathBuf]) -> Result<PathBuf> {
    let mut text = Vec::new();
    for job in jobs {
        text.extend_from_slice(job.as_os_str().as_bytes());
        text.push(b'\n');
    }
    let path = place.join("jobs.txt");
    super::write(&path, &text)?;
    Ok(path)
}
