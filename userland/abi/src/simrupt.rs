//! `/dev/simrupt`, a simulated interrupt source: `include/uapi/simrupt.h`.
#![allow(non_camel_case_types, non_upper_case_globals)]

use std::os::unix::io::{AsFd, AsRawFd};

include!(concat!(env!("OUT_DIR"), "/simrupt.rs"));

nix::ioctl_read_bad!(ioctl_get_stats, SIMRUPT_GET_STATS, simrupt_stats);

/// The statistics of `node`, an open `/dev/simrupt`.
///
/// `ENOTTY` if `node` is something else.
pub fn get_stats(node: &impl AsFd) -> nix::Result<simrupt_stats> {
    let mut stats = simrupt_stats::default();
    // SAFETY: the descriptor is open for as long as `node` is borrowed, and `stats` is writable and
    // of the very type whose size is part of the request's number.
    unsafe { ioctl_get_stats(node.as_fd().as_raw_fd(), &mut stats) }?;
    Ok(stats)
}
