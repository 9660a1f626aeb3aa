//! The guests in which is measured, one after the other: others would only be in the way.

use super::figures::Sample;
use crate::cache;
use crate::guest::qmp::Monitor;
use crate::kernels::arch::Arch;
use crate::steps::Steps;
use anyhow::{bail, Context, Result};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// What there is to measure, in the order of the table; the guest's program has the same names.
pub const CASES: [&str; 8] = [
    "syscall",
    "hello",
    "misc_mutex",
    "misc_spinlock",
    "misc_rcu",
    "percpu_counter",
    "simrupt",
    "ksort",
];

/// How often each guest that counts instructions is booted, and each that takes the time: how fast
/// QEMU finds a page of the guest's memory depends on what the guest has done before.
const RUNS: usize = 2;
const TIMED_RUNS: usize = 5;

/// A guest for a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Guest {
    cpus: u32,
    icount: bool,
}

/// Those in which a case is measured. Where several CPUs are to do something at the same time,
/// instructions are not all that counts.
fn guests(case: &str) -> Vec<Guest> {
    let counts = |cpus| Guest { cpus, icount: true };
    let takes_time = Guest {
        cpus: 4,
        icount: false,
    };
    match case {
        "percpu_counter" => vec![counts(4), takes_time],
        "ksort" => vec![counts(1), takes_time],
        _ => vec![counts(1)],
    }
}

pub struct Guests<'a> {
    pub arch: &'static Arch,
    pub kdir: &'a Path,
    pub checkout: &'a Path,
    program: PathBuf,
}

impl<'a> Guests<'a> {
    pub fn new(arch: &'static Arch, kdir: &'a Path, checkout: &'a Path) -> Result<Guests<'a>> {
        let program = cache::target(checkout)
            .join(arch.triple)
            .join("debug/bench");
        need(&program, arch)?;
        Ok(Guests {
            arch,
            kdir,
            checkout,
            program,
        })
    }

    /// Measures one case in all of its guests.
    pub fn measure(&self, steps: &Steps, case: &str) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        for guest in guests(case) {
            let (how, runs) = match guest.icount {
                true => ("counting", RUNS),
                false => ("taking the time", TIMED_RUNS),
            };
            for run in 1..=runs {
                let name = format!("{case}: {how}, run {run} of {runs}");
                samples.extend(steps.step(&name, || self.run(case, guest, run))?);
            }
        }
        Ok(samples)
    }

    /// A run of the lab with what a case needs, and no command yet.
    pub fn lab(&self, case: &str, cpus: u32, icount: bool) -> Result<Command> {
        let mut lab =
            Command::new(std::env::current_exe().context("cannot tell where the lab is")?);
        // What is set for guests in general is not meant for these.
        for name in ["RLKM_APPEND", "RLKM_IMAGE", "RLKM_ACCEL"] {
            lab.env_remove(name);
        }
        lab.arg("run")
            .args(["--arch", self.arch.name, "--kdir"])
            .arg(self.kdir);
        lab.args([
            "--cpus",
            &cpus.to_string(),
            "--memory",
            "512M",
            "--timeout",
            "1800",
        ]);
        // Nothing goes to the console: that would be instructions, too. And the kernel is where its
        // System.map says.
        lab.args(["--accel", "tcg", "--append", "quiet nokaslr"]);
        if icount {
            lab.arg("--icount");
        }
        lab.arg("--program").arg(&self.program);
        // A guest has to have a module or all of them; this one is in no case's way.
        let module = if case == "syscall" { "hello" } else { case };
        for path in modules(self.checkout, module) {
            need(&path, self.arch)?;
            lab.arg("--module").arg(path);
        }
        Ok(lab)
    }

    fn run(&self, case: &str, guest: Guest, run: usize) -> Result<Vec<Sample>> {
        let mut lab = self.lab(case, guest.cpus, guest.icount)?;
        let what = match guest.icount {
            true => case.to_owned(),
            false => format!("{case}_wall"),
        };
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let pinned = match guest.icount {
            true => None,
            false => Some(pin(&mut lab, &folder.path().join("qmp"))?),
        };
        lab.args(["--", "bench", &what]).stdin(Stdio::null());
        let output = lab.output().context("cannot run the lab")?;
        if !output.status.success() {
            bail!(
                "the bench of {case} failed ({}):\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        if let Some(pinned) = pinned {
            pinned.try_recv().context("QEMU had no monitor")??;
        }
        let text = String::from_utf8(output.stdout).context("the bench printed no text")?;
        text.lines().map(|line| Sample::parse(line, run)).collect()
    }
}

/// Has the CPUs of a guest pinned when it starts, and tells of it.
fn pin(lab: &mut Command, socket: &Path) -> Result<Receiver<Result<()>>> {
    let listener = UnixListener::bind(socket)
        .with_context(|| format!("cannot listen at {}", socket.display()))?;
    lab.arg("--qmp").arg(socket);
    let (tell, told) = mpsc::channel();
    // Not waited for: if there is no guest, nobody ever connects.
    thread::spawn(move || {
        let pinned = match listener.accept() {
            Ok((stream, _)) => Monitor::new(stream).and_then(|mut monitor| monitor.pin()),
            Err(error) => Err(error.into()),
        };
        // Nobody listens if the guest has failed.
        let _ = tell.send(pinned);
    });
    Ok(told)
}

/// A module and its twin.
pub fn modules(checkout: &Path, name: &str) -> [PathBuf; 2] {
    let folder = cache::modules(checkout);
    [
        folder.join(format!("{name}.ko")),
        folder.join(format!("bench/c_{name}.ko")),
    ]
}

fn need(path: &Path, arch: &Arch) -> Result<()> {
    if !path.is_file() {
        bail!(
            "there is no {}; `make bench ARCH={arch}` builds it",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_counts_and_only_what_is_parallel_takes_the_time() {
        for case in CASES {
            let guests = guests(case);
            assert!(guests[0].icount, "{case}");
            let parallel = ["percpu_counter", "ksort"].contains(&case);
            assert_eq!(guests.iter().any(|guest| !guest.icount), parallel, "{case}");
        }
    }
}
