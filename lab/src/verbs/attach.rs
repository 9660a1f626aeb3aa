//! `lab attach`: what a guest that runs says on its console.

use crate::cache::runs;
use crate::guest::CONSOLE_LOG;
use crate::output;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Read;
use std::thread;
use std::time::Duration;

/// Print what a guest says on its console, until the run ends
///
/// It begins with what was said already, and is what the kernel logs; the command's output is where the run was started. Ctrl-C ends this,
/// and not the run. To type something there, see `lab console`.
#[derive(clap::Args)]
pub struct Args {
    /// The run, as `lab runs` lists it
    id: String,
}

/// How often it is looked whether there is more.
const POLL: Duration = Duration::from_millis(50);

pub fn main(args: Args) -> Result<u8> {
    let run = runs::find(&args.id)?;
    let path = run.folder.join(CONSOLE_LOG);
    let cannot = || format!("cannot read {}", path.display());
    let mut log = File::open(&path).with_context(cannot)?;
    loop {
        // Asked first: what it wrote before its end is then read.
        let is_there = run.is_there();
        let mut more = Vec::new();
        log.read_to_end(&mut more).with_context(cannot)?;
        if !more.is_empty() {
            match output::print(more)? {
                0 => continue,
                status => return Ok(status),
            }
        }
        if !is_there {
            return Ok(0);
        }
        thread::sleep(POLL);
    }
}
