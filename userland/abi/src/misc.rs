//! The misc family, `/dev/misc_mutex` and its sisters: `include/uapi/misc.h`.
#![allow(non_camel_case_types, non_upper_case_globals)]

use std::os::unix::io::{AsFd, AsRawFd};

include!(concat!(env!("OUT_DIR"), "/misc.rs"));

nix::ioctl_read_bad!(ioctl_get_stats, MISC_GET_STATS, misc_stats);
nix::ioctl_none_bad!(ioctl_reset_stats, MISC_RESET_STATS);

/// The statistics of `node`, an open node of the family.
///
/// `ENOTTY` if `node` is something else.
pub fn get_stats(node: &impl AsFd) -> nix::Result<misc_stats> {
    let mut stats = misc_stats::default();
    // SAFETY: the descriptor is open for as long as `node` is borrowed, and `stats` is writable and
    // of the very type whose size is part of the request's number.
    unsafe { ioctl_get_stats(node.as_fd().as_raw_fd(), &mut stats) }?;
    Ok(stats)
}

/// Sets what `node` has counted of reads, writes, opens and errors to 0.
///
/// `EBADF` if `node` is not open for writing, `ENOTTY` if it is something else.
pub fn reset_stats(node: &impl AsFd) -> nix::Result<()> {
    // SAFETY: the descriptor is open for as long as `node` is borrowed; there is no argument.
    unsafe { ioctl_reset_stats(node.as_fd().as_raw_fd()) }?;
    Ok(())
}
