//! The lab: prepares kernel trees, boots guests under QEMU, and runs commands in them.
//!
//! One file per verb (`tree`, `run`, `shell`, `lockstat`, `bench`, `suites`, `runner`); below them,
//! `guest` is one run of a guest, `ports` carries its streams, `initramfs` is what is in it, `qemu` the
//! machine around it, `qmp` how to talk to that machine, and `cache` where all of it lies.

mod arch;
mod bench;
mod busybox;
mod cache;
mod elf;
mod folder;
mod fragment;
mod guest;
mod initramfs;
mod inputs;
mod kvm;
mod lockstat;
mod options;
mod ports;
mod qemu;
mod qmp;
mod run;
mod runner;
mod shell;
mod steps;
mod suites;
mod tree;
mod variant;

use clap::Parser;
use std::process::ExitCode;

/// The lab's own errors; the other statuses are those of `run`.
const OWN_ERROR: u8 = 120;

/// Prepare kernel trees, boot guests, run commands in them.
///
/// Everything is kept in ${XDG_CACHE_HOME:-$HOME/.cache}/rlkm.
#[derive(Parser)]
#[command(name = "lab", version)]
enum Lab {
    Tree(tree::Args),
    Run(run::Args),
    Shell(shell::Args),
    Lockstat(lockstat::Args),
    Bench(bench::Args),
    Suites(suites::Args),
    Runner(runner::Args),
}

fn main() -> ExitCode {
    let lab = match Lab::try_parse() {
        Ok(lab) => lab,
        Err(e) => {
            // Help and the version come this way too, and are no errors.
            let code = if e.use_stderr() { OWN_ERROR } else { 0 };
            return match e.print() {
                Ok(()) => ExitCode::from(code),
                Err(_) => ExitCode::from(OWN_ERROR),
            };
        }
    };
    let result = match lab {
        Lab::Tree(args) => tree::main(args).map(|()| 0),
        Lab::Run(args) => run::main(args),
        Lab::Shell(args) => shell::main(args),
        Lab::Lockstat(args) => lockstat::main(args),
        Lab::Bench(args) => bench::main(args),
        Lab::Suites(args) => suites::main(args),
        Lab::Runner(args) => runner::main(args),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            eprintln!("lab: {e:#}");
            ExitCode::from(OWN_ERROR)
        }
    }
}
