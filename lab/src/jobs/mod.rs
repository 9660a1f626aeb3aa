//! Runs that are handed out, several at a time: what each is, in a folder of its own, and how it
//! ended. Whoever runs them calls `lab job` with the folder.

pub mod engine;
mod parallel;
mod slurm;

use crate::cache::{self, runs};
use crate::guest::{self, qemu};
use crate::output::say;
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde::{de::DeserializeOwned, Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The files of a job's folder.
const JOB: &str = "job.json";
const OUTCOME: &str = "outcome.json";

/// What is to be run.
#[derive(Serialize, Deserialize)]
pub struct Job {
    /// What the lab is called with.
    words: Vec<OsString>,
    /// Where, and with which variables, whoever runs it.
    here: PathBuf,
    env: Vec<(OsString, OsString)>,
    /// Where its output goes; both may be the same.
    stdout: PathBuf,
    stderr: PathBuf,
}

/// How it ended.
#[derive(Clone, Serialize, Deserialize, Debug, PartialEq)]
pub struct Outcome {
    /// The lab's exit status; none if it was killed.
    pub status: Option<i32>,
    pub seconds: f64,
}

impl Job {
    /// A call of the lab with these words, and with these variables besides those of this lab.
    pub fn new(
        words: Vec<OsString>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        stdout: PathBuf,
        stderr: PathBuf,
    ) -> Result<Job> {
        Ok(Job {
            words,
            here: std::env::current_dir().context("cannot tell the working directory")?,
            env: runs::variables().chain(variables).collect(),
            stdout,
            stderr,
        })
    }

    /// Writes it into its folder, from which what an earlier one came to is removed.
    pub fn write(&self, folder: &Path) -> Result<()> {
        cache::make_dir(folder)?;
        for path in [&folder.join(OUTCOME), &self.stdout, &self.stderr] {
            match fs::remove_file(path) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(e).with_context(|| format!("cannot remove {}", path.display()))
                }
                _ => {}
            }
        }
        write(&folder.join(JOB), &serde_json::to_vec_pretty(self)?)
    }

    /// Runs the one in this folder, and tells there how it ended.
    pub fn run(folder: &Path) -> Result<Outcome> {
        let path = folder.join(JOB);
        let job: Job = read(&path)?.with_context(|| format!("there is no {}", path.display()))?;
        let start = Instant::now();
        let mut status = job.guest()?;
        // 6.1 hangs in its boot now and then, in what PROVE_RCU has RCU try of itself: long before
        // there is a module or a test.
        if status == Some(guest::NOT_BOOTED.into()) {
            say!("{}: the guest did not boot; once more", folder.display());
            status = job.guest()?;
        }
        let outcome = Outcome {
            status,
            seconds: start.elapsed().as_secs_f64(),
        };
        write(&folder.join(OUTCOME), &serde_json::to_vec(&outcome)?)?;
        Ok(outcome)
    }

    fn guest(&self) -> Result<Option<i32>> {
        let create = |path: &Path| {
            File::create(path).with_context(|| format!("cannot write {}", path.display()))
        };
        let stdout = create(&self.stdout)?;
        let stderr = match self.stderr == self.stdout {
            true => stdout.try_clone()?,
            false => create(&self.stderr)?,
        };
        let mut lab = Command::new(std::env::current_exe()?);
        lab.args(&self.words)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.here)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr);
        qemu::end_with_lab(&mut lab, Signal::SIGTERM);
        Ok(lab.status().context("cannot run the lab")?.code())
    }
}

/// How the job in this folder ended, if it has.
pub fn outcome(folder: &Path) -> Result<Option<Outcome>> {
    read(&folder.join(OUTCOME))
}

/// Reads a file of JSON that the lab has written, if it is there.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .with_context(|| format!("{}: not what lab writes; delete it", path.display())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes a file, which is whole or as it was, whatever happens meanwhile.
pub fn write(path: &Path, contents: &[u8]) -> Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, contents)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
