//! `/dev/percpu_counter`, counters of each CPU: `include/uapi/percpu_counter.h`.
#![allow(non_camel_case_types, non_upper_case_globals)]

use std::os::unix::io::{AsFd, AsRawFd};

include!(concat!(env!("OUT_DIR"), "/percpu_counter.rs"));

nix::ioctl_readwrite_bad!(ioctl_get_cpu, PERCPU_COUNTER_GET_CPU, percpu_counter_cpu);
nix::ioctl_read_bad!(
    ioctl_get_total,
    PERCPU_COUNTER_GET_TOTAL,
    percpu_counter_total
);
nix::ioctl_none_bad!(ioctl_reset, PERCPU_COUNTER_RESET);

/// The counts of one CPU.
///
/// `ENXIO` if there cannot be such a CPU, `ENOTTY` if `node` is something else.
pub fn get_cpu(node: &impl AsFd, cpu: u32) -> nix::Result<percpu_counter_cpu> {
    let mut counts = percpu_counter_cpu {
        cpu,
        ..Default::default()
    };
    // SAFETY: the descriptor is open for as long as `node` is borrowed, and `counts` is writable
    // and of the very type whose size is part of the request's number.
    unsafe { ioctl_get_cpu(node.as_fd().as_raw_fd(), &mut counts) }?;
    Ok(counts)
}

/// The sum over all CPUs, and how many there can be.
///
/// `ENOTTY` if `node` is something else.
pub fn get_total(node: &impl AsFd) -> nix::Result<percpu_counter_total> {
    let mut total = percpu_counter_total::default();
    // SAFETY: as in `get_cpu`.
    unsafe { ioctl_get_total(node.as_fd().as_raw_fd(), &mut total) }?;
    Ok(total)
}

/// Sets all counts to 0.
///
/// `EBADF` if `node` is not open for writing, `ENOTTY` if it is something else.
pub fn reset(node: &impl AsFd) -> nix::Result<()> {
    // SAFETY: the descriptor is open for as long as `node` is borrowed; there is no argument.
    unsafe { ioctl_reset(node.as_fd().as_raw_fd()) }?;
    Ok(())
}
