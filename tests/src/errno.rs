//! What the kernel said, of a call that std made.

use std::io;

use nix::errno::Errno;

pub fn errno<T>(result: io::Result<T>) -> Result<T, Errno> {
    result.map_err(|error| Errno::from_i32(error.raw_os_error().unwrap_or(0)))
}
