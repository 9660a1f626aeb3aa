//! `lab job`: one run of many, for whoever hands them out.

use crate::jobs::Job;
use anyhow::Result;
use std::path::PathBuf;

/// Run one of the runs that `lab sweep` or `lab suites` has prepared
///
/// They and their engines call this. It does what is in FOLDER/job.json, writes FOLDER/outcome.json,
/// and ends with the run's status: with it, a single run is repeated.
#[derive(clap::Args)]
pub struct Args {
    /// The run's folder
    folder: PathBuf,
}

pub fn main(args: Args) -> Result<u8> {
    let outcome = Job::run(&args.folder)?;
    let status = outcome.status.and_then(|status| u8::try_from(status).ok());
    Ok(status.unwrap_or(1))
}
