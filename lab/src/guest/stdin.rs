//! The lab's standard input, for a thread that carries it into a guest.

use nix::errno::Errno;
use nix::libc::STDIN_FILENO;
use nix::poll::{poll, PollFd, PollFlags};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getpgrp, tcgetpgrp};
use std::thread;
use std::time::Duration;

/// How often a terminal is asked whether it is ours now: nothing tells.
const BACKGROUND: Duration = Duration::from_millis(200);

/// Reads what there is, and waits if there is nothing; 0 at the end.
///
/// A lab in the background of a terminal is not stopped, its guest's command would be too: it reads
/// nothing until it is in the foreground.
pub fn read(buffer: &mut [u8]) -> nix::Result<usize> {
    let mut background = SigSet::empty();
    background.add(Signal::SIGTTIN);
    background.thread_block()?;
    loop {
        match nix::unistd::read(STDIN_FILENO, buffer) {
            Err(Errno::EINTR) => {}
            // Another program may have made a shared terminal or pipe non-blocking.
            Err(Errno::EAGAIN) => {
                match poll(&mut [PollFd::new(STDIN_FILENO, PollFlags::POLLIN)], -1) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(e) => return Err(e),
                }
            }
            // That instead of SIGTTIN; also of a terminal that is gone, which then has no foreground.
            Err(Errno::EIO) if tcgetpgrp(STDIN_FILENO)? != getpgrp() => thread::sleep(BACKGROUND),
            result => return result,
        }
    }
}
