//! `/dev/ksort`, a device that sorts numbers: `include/uapi/ksort.h`.
#![allow(non_camel_case_types, non_upper_case_globals)]

use std::os::unix::io::{AsFd, AsRawFd};

include!(concat!(env!("OUT_DIR"), "/ksort.rs"));

nix::ioctl_read_bad!(ioctl_get_type, KSORT_GET_TYPE, u32);
nix::ioctl_write_ptr_bad!(ioctl_set_type, KSORT_SET_TYPE, u32);
nix::ioctl_read_bad!(ioctl_get_order, KSORT_GET_ORDER, u32);
nix::ioctl_write_ptr_bad!(ioctl_set_order, KSORT_SET_ORDER, u32);
nix::ioctl_read_bad!(ioctl_get_algorithm, KSORT_GET_ALGORITHM, u32);
nix::ioctl_write_ptr_bad!(ioctl_set_algorithm, KSORT_SET_ALGORITHM, u32);
nix::ioctl_read_bad!(ioctl_get_stats, KSORT_GET_STATS, ksort_stats);

/// The type of the numbers: `KSORT_I32` and so on.
///
/// `ENOTTY` if `node` is no `/dev/ksort`; so with all functions here.
pub fn get_type(node: &impl AsFd) -> nix::Result<u32> {
    let mut value = 0;
    // SAFETY: the descriptor is open for as long as `node` is borrowed, and `value` is writable and
    // of the very type whose size is part of the request's number.
    unsafe { ioctl_get_type(node.as_fd().as_raw_fd(), &mut value) }?;
    Ok(value)
}

/// Sets the type of the numbers.
///
/// `EBUSY` while the set has some, `EINVAL` if there is no such type.
pub fn set_type(node: &impl AsFd, value: u32) -> nix::Result<()> {
    // SAFETY: as in `get_type`, and the value is only read.
    unsafe { ioctl_set_type(node.as_fd().as_raw_fd(), &value) }?;
    Ok(())
}

/// The order: `KSORT_UP` or `KSORT_DOWN`.
pub fn get_order(node: &impl AsFd) -> nix::Result<u32> {
    let mut value = 0;
    // SAFETY: as in `get_type`.
    unsafe { ioctl_get_order(node.as_fd().as_raw_fd(), &mut value) }?;
    Ok(value)
}

/// Sets the order.
///
/// `EINVAL` if there is no such order.
pub fn set_order(node: &impl AsFd, value: u32) -> nix::Result<()> {
    // SAFETY: as in `set_type`.
    unsafe { ioctl_set_order(node.as_fd().as_raw_fd(), &value) }?;
    Ok(())
}

/// The algorithm that is asked for: `KSORT_AUTO` and so on.
pub fn get_algorithm(node: &impl AsFd) -> nix::Result<u32> {
    let mut value = 0;
    // SAFETY: as in `get_type`.
    unsafe { ioctl_get_algorithm(node.as_fd().as_raw_fd(), &mut value) }?;
    Ok(value)
}

/// Sets the algorithm.
///
/// `EINVAL` if there is no such algorithm.
pub fn set_algorithm(node: &impl AsFd, value: u32) -> nix::Result<()> {
    // SAFETY: as in `set_type`.
    unsafe { ioctl_set_algorithm(node.as_fd().as_raw_fd(), &value) }?;
    Ok(())
}

/// What the last sort of `node` took.
pub fn get_stats(node: &impl AsFd) -> nix::Result<ksort_stats> {
    let mut stats = ksort_stats::default();
    // SAFETY: as in `get_type`.
    unsafe { ioctl_get_stats(node.as_fd().as_raw_fd(), &mut stats) }?;
    Ok(stats)
}
