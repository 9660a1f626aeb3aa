//! Opening a node.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{anyhow, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;

/// What a node is opened for.
#[derive(Clone, Copy)]
pub enum Access {
    Read,
    Write,
    ReadWrite,
}

/// Opens `path`, a node that is there while `module` (a file's name, as in `simrupt.ko`) is loaded.
///
/// Never waits, as opening a FIFO that was named by mistake would; nor do reads and writes.
pub fn open(path: &Path, access: Access, module: &str) -> Result<File> {
    let opened = OpenOptions::new()
        .read(matches!(access, Access::Read | Access::ReadWrite))
        .write(matches!(access, Access::Write | Access::ReadWrite))
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path);
    opened.map_err(|error| {
        let path = path.display();
        match error.raw_os_error().map(Errno::from_i32) {
            Some(Errno::ENOENT) => anyhow!("{path}: not there; is {module} loaded?"),
            Some(Errno::EACCES | Errno::EPERM) => {
                anyhow!("{path}: permission denied; the node is root's, so try as root")
            }
            Some(Errno::EBUSY) => {
                anyhow!("{path}: busy; try again when its user has closed it")
            }
            Some(Errno::ENODEV | Errno::ENXIO) => {
                anyhow!("{path}: no device behind it; is {module} loaded?")
            }
            _ => anyhow!("{path}: cannot open: {error}"),
        }
    })
}
