//! What a process may have at once.

use anyhow::{Context, Result};
use nix::sys::resource::{getrlimit, setrlimit, Resource};

/// Files that are open whatever is done: the standard streams, a pipe, a few more.
const OTHERS: u64 = 16;

/// Lets this process have that many files open at once, and a few more; as an error that says how
/// many it may have, if it may not.
pub fn allow_files(count: u64) -> Result<()> {
    let need = count.saturating_add(OTHERS);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("cannot tell a limit")?;
    if soft >= need {
        return Ok(());
    }
    // Beyond the hard limit only for a process that may raise that.
    setrlimit(Resource::RLIMIT_NOFILE, need, hard.max(need)).with_context(|| {
        format!(
            "{need} open files are needed, and {hard} are allowed; ask for fewer readers and \
             writers, or raise the limit (ulimit -Hn)"
        )
    })
}
