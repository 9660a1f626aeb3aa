//! `lab gdb`: a new guest, and gdb that looks into it.

use crate::cache::{self, find_program, folder::Folder};
use crate::gdb;
use crate::guest::{self, Debugger};
use crate::kernels::tools::Tools;
use crate::options::Options;
use crate::steps::Steps;
use crate::verbs::run;
use anyhow::{bail, Context, Result};
use nix::sys::signal::{SigSet, Signal};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Run one command in a new guest, with gdb looking into it
///
/// The modules are built first, with debug info. gdb has the terminal, knows kernel and modules by
/// their names and lines, and stops before the guest runs, or where --stop says. Ctrl-C stops the
/// guest, and the end of gdb is the end of the guest. The command has no stdin; what it prints
/// comes between gdb's own lines.
///
/// The kernel's commands are there (`apropos lx-`), and some for what Rust modules have: lab-waiters,
/// lab-mutex, lab-workers, lab-timers, lab-module; `help lab-waiters` and so on say more. All of them
/// work wherever the guest stands, in Rust or in C.
#[derive(clap::Args)]
#[command(
    mut_arg("kernel", |arg| arg.default_value("trace")),
    mut_arg("timeout", |arg| arg.help(
        "Time limit of the whole run; 0 is none [default: none, and 300 with --batch]"
    )),
    after_help = AFTER_HELP
)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    /// Where to stop first: `init`, which is in the init function of each module that is loaded, a
    /// FUNCTION or FILE:LINE, of the kernel or a module [default: before the guest runs]
    #[arg(long, value_name = "WHERE")]
    stop: Option<String>,
    /// Have gdb run the commands in this file then, and end
    #[arg(long, value_name = "FILE")]
    batch: Option<PathBuf>,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "CMD")]
    words: Vec<OsString>,
}

const AFTER_HELP: &str = "\
Exit status: gdb's, which is 0, or with --batch 1 if a command of the file failed, or the guest never
came to where it was to stop; 120 is the lab's own error, 124 a time-out.

Examples:
  lab gdb --stop simrupt::Handler::tick -- sh -c 'insmod /modules/simrupt.ko; simrupt --count 9'
  lab gdb --stop modules/hello.rs:40 -- insmod /modules/hello.ko";

const GDB: &str = "gdb-multiarch";
/// That of which the stacks and registers of threads are known in lab/src/gdb.
const ARCH: &str = "arm64";

pub fn main(mut args: Args) -> Result<u8> {
    let arch = args.options.arch().name;
    if arch != ARCH {
        bail!("--arch {arch}: lab gdb is for guests of {ARCH} only");
    }
    let batch = args.batch.as_deref().map(batch_file).transpose()?;
    if find_program(GDB).is_none() {
        bail!("no {GDB} on PATH; on Debian 12: apt install {GDB}");
    }
    let kdir = args.options.tree()?;
    for file in ["vmlinux", "vmlinux-gdb.py"] {
        if !kdir.join(file).is_file() {
            bail!(
                "{} has no {file}: gdb needs a tree with CONFIG_DEBUG_INFO and CONFIG_GDB_SCRIPTS, and \
                 its target scripts_gdb; `make tree VARIANT=trace` makes one",
                kdir.display()
            );
        }
    }
    let stripped = tempfile::tempdir().context("cannot make a folder for modules")?;
    let mut modules = Vec::new();
    if !args.options.dry_run {
        if !args.options.names_modules() && cache::given_modules().is_none() {
            build_modules(&kdir, arch)?;
        }
        modules = args.options.modules(&args.options.kernel()?)?;
        args.options.name_modules(strip(&modules, stripped.path())?);
    }
    let session = gdb::Session::new(&kdir, &modules, args.stop.as_deref())?;
    let command = |folder: &Folder, socket: &Path| {
        let mut gdb = Command::new(GDB);
        // Symbols are read when it is told to, and only those that it is told of.
        gdb.args(["-q", "-iex", "set auto-load off"]);
        if batch.is_some() {
            gdb.args(["-nx", "-batch"]);
        }
        gdb.arg("-x").arg(session.write(&folder.path, socket)?);
        if let Some(batch) = &batch {
            gdb.arg("-x").arg(batch);
        }
        Ok(gdb)
    };
    if batch.is_none() {
        // Ctrl-C is gdb's.
        let keys: SigSet = [Signal::SIGINT, Signal::SIGQUIT].into_iter().collect();
        keys.thread_block().context("cannot block signals")?;
    }
    let debugger = Debugger {
        command: &command,
        limit: match &batch {
            Some(_) => args.options.timeout(Some(&args.options.kernel()?)),
            None => args.options.timeout(None),
        },
        // On a terminal, gdb is to leave it as it found it; in a script, it may crash of that.
        signal: match &batch {
            Some(_) => Signal::SIGKILL,
            None => Signal::SIGTERM,
        },
    };
    let command = run::Command {
        no_stdin: true,
        words: args.words,
    };
    guest::debug(&args.options, &command, &debugger)
}

/// The file of gdb's commands, wherever gdb will be.
fn batch_file(path: &Path) -> Result<PathBuf> {
    let name = path.display();
    let path = path.canonicalize();
    let path = path.with_context(|| format!("--batch {name}: cannot be read"))?;
    match path.is_file() {
        true => Ok(path),
        false => bail!("--batch {name}: not a file"),
    }
}

/// Builds the checkout's modules for that tree, as make does, and has them be those of this run.
fn build_modules(kdir: &Path, arch: &str) -> Result<()> {
    let checkout = cache::checkout()?;
    let script = checkout.join("scripts/kbuild.sh");
    let kbuild = |what: &str| {
        let mut command = Command::new(&script);
        command.arg(what).arg(kdir).arg(arch);
        command
    };
    let output = kbuild("folder").output();
    let output = output.with_context(|| format!("cannot run {}", script.display()))?;
    let folder = String::from_utf8_lossy(&output.stdout);
    let steps = Steps::new(cache::dir()?.join("log/gdb-modules.log"))?;
    steps.run("building the modules", &mut kbuild("modules"))?;
    std::env::set_var("RLKM_BUILD", folder.trim_end());
    Ok(())
}

/// What of these modules the guest is to have: all but what gdb alone reads.
fn strip(modules: &[PathBuf], folder: &Path) -> Result<Vec<PathBuf>> {
    let strip = Tools::find()?.llvm_tool("llvm-strip");
    let stripped = modules.iter().map(|module| {
        let to = folder.join(module.file_name().context("a module has no name")?);
        let mut command = Command::new(&strip);
        command.arg("-g").arg("-o").arg(&to).arg(module);
        let status = command.status();
        match status.with_context(|| format!("cannot run {}", strip.display()))? {
            status if status.success() => Ok(to),
            status => bail!("{}: llvm-strip failed: {status}", module.display()),
        }
    });
    stripped.collect()
}
