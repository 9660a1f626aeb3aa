//! `lab stop`: ends a run.

use crate::cache::runs::{self, Run};
use anyhow::{bail, Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use std::thread;
use std::time::{Duration, Instant};

/// End a run and its guest at once
///
/// The lab that runs it gets SIGTERM. When this returns, its QEMU is gone as well.
#[derive(clap::Args)]
pub struct Args {
    /// The run, as `lab runs` lists it
    id: String,
}

/// How long a lab may take to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it has.
const POLL: Duration = Duration::from_millis(20);

pub fn main(args: Args) -> Result<u8> {
    let run = runs::find(&args.id)?;
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        match kill(Pid::from_raw(run.record.pid as i32), signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(e) => {
                return Err(e).with_context(|| format!("cannot end process {}", run.record.pid))
            }
        }
        let patience = Instant::now() + PATIENCE;
        while Instant::now() < patience {
            if !lives(&run)? {
                return Ok(0);
            }
            thread::sleep(POLL);
        }
    }
    bail!(
        "run {} does not end; its process is {}",
        run.id,
        run.record.pid
    )
}

/// Whether it is still there; another may have got its id.
fn lives(run: &Run) -> Result<bool> {
    let same = |other: &Run| other.id == run.id && other.record.pid == run.record.pid;
    Ok(runs::live()?.iter().any(same))
}
