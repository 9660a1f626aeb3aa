//! ioctl(2) with any request and any argument.

use std::os::unix::io::AsRawFd;

use nix::errno::Errno;

use crate::Node;

/// ioctl(2) with `address` as its argument.
pub fn ioctl_at(node: &Node, request: u32, address: usize) -> Result<i32, Errno> {
    // SAFETY: the tests only give addresses that hold nothing of Rust's, or what the request is for.
    Errno::result(unsafe { libc::ioctl(node.as_raw_fd(), request as _, address) })
}

/// Requests that look like those in `known`, and are none of them.
fn strangers(known: &[u32]) -> Vec<u32> {
    let (number, magic, size, direction) = (1, 1 << 8, 1 << 16, 3 << 30);
    let mut requests = vec![libc::TCGETS as u32];
    for &request in known {
        requests.extend([
            request + number,
            request - number,
            request + magic,
            request.wrapping_add(size),
            request.wrapping_sub(size),
            request ^ direction,
        ]);
    }
    requests.sort_unstable();
    requests.dedup();
    requests.retain(|request| !known.contains(request));
    requests
}

/// Fails unless `node` has no ioctls but `known`. How many others were tried.
#[track_caller]
pub fn assert_no_ioctls_but(known: &[u32], node: &Node) -> usize {
    let strangers = strangers(known);
    for &request in &strangers {
        let mut space = [0u8; 256];
        let answer = ioctl_at(node, request, space.as_mut_ptr() as usize);
        assert_eq!(answer, Err(Errno::ENOTTY), "ioctl {request:#x}");
        assert_eq!(space, [0; 256], "ioctl {request:#x}");
    }
    strangers.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_all_but_the_known() {
        let (get, reset) = (0x8040_e201, 0xe202);
        let requests = strangers(&[get, reset]);
        for request in [
            0x8040_e200,
            0x8040_e301,
            0x803f_e201,
            0x8041_e201,
            0xe201,
            0xe203,
            0x5401,
        ] {
            assert!(requests.contains(&request), "{request:#x} in {requests:x?}");
        }
        assert!(!requests.contains(&get) && !requests.contains(&reset));
    }
}
