//! Slurm, which runs the jobs as one array.

use super::engine::{self, Other};
use super::parallel::list;
use crate::cache;
use crate::output::say;
use anyhow::{bail, Context, Result};
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(super) fn check() -> Result<()> {
    for program in ["sbatch", "scancel"] {
        if cache::find_program(program).is_none() {
            bail!(
                "--engine slurm: no {program} on PATH; on Debian 12, `apt install slurm-client` \
                 installs it"
            );
        }
    }
    Ok(())
}

pub(super) fn start(place: &Path, jobs: &[PathBuf], at_once: usize) -> Result<Other> {
    let list = list(place, jobs)?;
    let lab = std::env::current_exe().context("cannot tell where this program is")?;
    let quote = |path: &Path| shlex::bytes::try_quote(path.as_os_str().as_bytes()).map(Vec::from);
    let mut script = b"#!/bin/sh\nexec ".to_vec();
    script.extend(quote(&lab)?);
    script.extend_from_slice(b" job \"$(sed -n \"${SLURM_ARRAY_TASK_ID}p\" ");
    script.extend(quote(&list)?);
    script.extend_from_slice(b")\"\n");
    let path = place.join("slurm.sh");
    super::write(&path, &script)?;

    let mut sbatch = Command::new("sbatch");
    sbatch
        .args([
            "--parsable",
            "--wait",
            "--job-name=lab",
            "--open-mode=append",
        ])
        .arg(format!("--array=1-{}%{at_once}", jobs.len()))
        .arg("--output")
        .arg(place.join("slurm.log"))
        .arg(path)
        .stdout(Stdio::piped());
    let mut child = engine::start(&mut sbatch)?;
    let stdout = child.stdout.take().context("sbatch has no output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let id = line.trim().to_owned();
    if id.is_empty() {
        child.wait()?;
        bail!("sbatch did not take the runs; is there a slurmctld, as `sinfo` tells?");
    }
    say!("Slurm's job {id}");
    Ok(Other {
        child,
        end: Box::new(move |child| {
            // Of an array, the id is followed by the cluster's name, if there are several.
            let id = id.split(';').next().unwrap_or(&id);
            if let Err(e) = Command::new("scancel").arg(id).status() {
                say!("cannot run scancel, so job {id} goes on: {e}");
            }
            engine::signal(child, Signal::SIGTERM);
        }),
    })
}
