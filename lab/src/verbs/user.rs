//! `lab user`: a program for guests, without a guest.

use crate::cache;
use crate::guest::{elf, ports, qemu};
use crate::kernels::arch::{Arch, Named};
use crate::output::say;
use anyhow::{bail, Context, Result};
use nix::sched::{sched_getaffinity, sched_setaffinity, CpuSet};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Run a program for guests in QEMU's user mode, without a guest
///
/// It starts at once, and has this host's files, CPUs and time, but not the modules: no nodes, and no
/// ioctls of theirs. It is said how many CPUs the program sees, which are the host's, and at the end
/// how many threads it had. Programs that it starts run only where binfmt_misc has a QEMU for them.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Architecture of a program that is named without a folder: arm64 or x86_64
    #[arg(long, env = "RLKM_ARCH", default_value = "arm64")]
    arch: Named,
    /// How many of this host's CPUs the program has [default: all that the lab has]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cpus: Option<u32>,
    /// The program, a file or what is built into target/TRIPLE/{debug,release}, and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROG"
    )]
    words: Vec<OsString>,
}

const AFTER_HELP: &str = "\
Exit status: the program's own; 128+N when signal N ended it; 120 for the lab's own error.

Examples:
  lab user -- ksort --help
  export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=\"$PWD/target/debug/lab user --\"
  cargo test --target aarch64-unknown-linux-gnu -p abi";

/// How often the threads are counted.
const POLL: Duration = Duration::from_millis(5);

pub fn main(args: Args) -> Result<u8> {
    let program = find(&args.words[0], args.arch.0)?;
    let elf = elf::read(&program)?;
    let arch = elf.as_ref().and_then(|elf| Arch::of_elf(elf.machine));
    let (elf, arch) = match (elf, arch) {
        (Some(elf), Some(arch)) => (elf, arch),
        _ => bail!("{}: not a program for any guest", program.display()),
    };
    if elf.dynamic {
        bail!(
            "{} is dynamically linked, and needs libraries of {arch}; build it with -C \
             target-feature=+crt-static",
            program.display()
        );
    }
    let qemu = format!("{}-static", arch.qemu.replace("-system", ""));
    if cache::find_program(&qemu).is_none() {
        bail!("no {qemu} on PATH; on Debian 12, it is in the package qemu-user-static");
    }
    let cpus = limit_cpus(args.cpus)?;
    let nodes = nodes(&program, &args.words[1..])?;
    if !nodes.is_empty() {
        say!(
            "{} may use {}: user mode has no nodes and none of their ioctls; `lab run` has",
            program.display(),
            nodes.join(", ")
        );
    }
    let plural = if cpus == 1 { "" } else { "s" };
    say!("the program sees {cpus} CPU{plural} of this host; each thread of its own is one of the host, and QEMU has one besides");
    let mut command = Command::new(&qemu);
    command.arg(&program).args(&args.words[1..]);
    qemu::end_with_lab(&mut command, Signal::SIGKILL);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {qemu}"))?;
    let tasks = PathBuf::from(format!("/proc/{}/task", child.id()));
    let mut most = 0;
    let status = loop {
        // It may be gone meanwhile.
        most = most.max(fs::read_dir(&tasks).map_or(0, |tasks| tasks.count()));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(POLL);
    };
    if most > 1 {
        say!(
            "at most {} threads of the program were seen: {most} of the host",
            most - 1
        );
    }
    Ok(match (status.code(), status.signal()) {
        (Some(code), _) => code as u8,
        (None, signal) => 128 + signal.unwrap_or(0) as u8,
    })
}

/// A file, or what cargo has built of this name.
fn find(name: &OsString, arch: &Arch) -> Result<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let target = cache::target(&cache::checkout()?).join(arch.triple);
    let mut paths = ["debug", "release"]
        .map(|profile| target.join(profile).join(name))
        .into_iter();
    paths.find(|path| path.is_file()).with_context(|| {
        format!(
            "no {} in {}/{{debug,release}}; `make userland ARCH={arch}` builds programs there",
            name.to_string_lossy(),
            target.display()
        )
    })
}

/// Leaves the program so many of the CPUs that the lab has, and tells how many it has then.
fn limit_cpus(wanted: Option<u32>) -> Result<u32> {
    let this = Pid::from_raw(0);
    let all = sched_getaffinity(this).context("cannot tell the CPUs")?;
    let numbers: Vec<usize> = (0..CpuSet::count())
        .filter(|&cpu| all.is_set(cpu).unwrap_or(false))
        .collect();
    let there = numbers.len() as u32;
    let wanted = match wanted {
        Some(wanted) if wanted > there => bail!(
            "--cpus {wanted}: there are {there} here, and a program in user mode has none but the \
             host's; `lab run --cpus {wanted}` has a guest with as many"
        ),
        Some(wanted) => wanted,
        None => return Ok(there),
    };
    let mut set = CpuSet::new();
    for &cpu in &numbers[..wanted as usize] {
        set.set(cpu)?;
    }
    sched_setaffinity(this, &set).context("cannot choose the CPUs")?;
    Ok(wanted)
}

/// The nodes of our modules that the program or its arguments name.
fn nodes(program: &Path, arguments: &[OsString]) -> Result<Vec<String>> {
    let mut text =
        fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    for argument in arguments {
        text.extend(argument.as_bytes());
        text.push(0);
    }
    let modules = cache::checkout()?.join("modules");
    let mut nodes = Vec::new();
    for entry in modules.read_dir().context("cannot read modules/")? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let node = format!("/dev/{stem}");
        if path.is_file() && ports::find(&text, node.as_bytes()).is_some() {
            nodes.push(node);
        }
    }
    nodes.sort();
    Ok(nodes)
}
