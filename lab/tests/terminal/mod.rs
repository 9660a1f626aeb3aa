//! A terminal of 24 lines and 80 columns, whose keys a test presses.

use nix::fcntl::{fcntl, FcntlArg, FdFlag};
use nix::poll::{poll, PollFd, PollFlags};
use nix::pty::{openpty, Winsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::io::{AsRawFd, FromRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::Mutex;

static SPAWN: Mutex<()> = Mutex::new(());
/// What is waited for that long does not come.
const PATIENCE: i32 = 300_000;

/// A command that has a terminal to itself: Ctrl-C there ends it.
pub struct Terminal {
    keys: File,
    child: Child,
    /// What has been written there since the last keys.
    pub screen: String,
}

impl Terminal {
    pub fn of(command: &mut Command) -> Terminal {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // Another thread's child must not have it as well.
        let _lock = SPAWN.lock();
        let pty = openpty(&size, None).unwrap();
        for fd in [pty.master, pty.slave] {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        // SAFETY: both were opened just now, and nobody else knows them.
        let [keys, slave] = [pty.master, pty.slave].map(|fd| unsafe { File::from_raw_fd(fd) });
        command
            .env("TERM", "xterm")
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave);
        // SAFETY: between fork and exec the closure makes system calls only and allocates nothing.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                match nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let child = command.spawn().unwrap();
        // This process's copies of the slave go, so that its end is seen.
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null());
        Terminal {
            keys,
            child,
            screen: String::new(),
        }
    }

    /// Presses these keys, once `text` has been written since the last keys.
    pub fn press(&mut self, text: &str, keys: &str) {
        while !self.screen.contains(text) {
            assert!(self.read(), "no {text:?} in:\n{}", self.screen);
        }
        self.screen.clear();
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// The status at the end.
    pub fn end(&mut self) -> Option<i32> {
        while self.read() {}
        self.child.wait().unwrap().code()
    }

    /// Reads on; whether there may be more.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let mut fds = [PollFd::new(self.keys.as_raw_fd(), PollFlags::POLLIN)];
        let count = poll(&mut fds, PATIENCE).unwrap();
        assert!(count > 0, "nothing comes after:\n{}", self.screen);
        // EIO: nobody has the terminal any more.
        let count = self.keys.read(&mut bytes).unwrap_or(0);
        self.screen
            .push_str(&String::from_utf8_lossy(&bytes[..count]));
        count > 0
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
