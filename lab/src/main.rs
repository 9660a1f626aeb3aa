//! The lab: prepares kernel trees, boots guests under QEMU, and runs commands in them.
//!
//! Its rooms: `verbs` has one file per verb, `kernels` is what is booted, `guest` is one run of a guest
//! and all that it takes, `decode` reads what its kernel says at its end, `gdb` is what runs inside of
//! gdb, `jobs` are many runs and who runs them, `suites` and `sweep` are made of them, `bench` measures,
//! and `cache` is where all of it lies. What they share is beside this file.

// They panic where nobody listens: there is `output`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod abi;
mod bench;
mod cache;
mod decode;
mod gdb;
mod guest;
mod jobs;
mod kernels;
mod options;
mod output;
mod steps;
mod suites;
mod sweep;
mod variables;
mod verbs;

use clap::FromArgMatches;
use output::{say, STATUSES};
use std::process::ExitCode;
use verbs::Lab;

fn main() -> ExitCode {
    variables::forget_empty();
    let matches = verbs::command().try_get_matches();
    let lab = match matches.and_then(|matches| Lab::from_arg_matches(&matches)) {
        Ok(lab) => lab,
        Err(e) => {
            let place = variables::place::<Lab>(&e);
            return cli::tell("lab", STATUSES, &e, &place);
        }
    };
    match lab.main() {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            say!("{e:#}");
            ExitCode::from(STATUSES.usage)
        }
    }
}
