//! Bytes to write of which only the number counts.

use std::num::NonZeroUsize;
use std::slice;

use anyhow::{Context, Result};
use nix::sys::mman::{mmap, MapFlags, ProtFlags};

/// As many bytes of 0 as that. They take no memory, however many they are and however little there
/// is, and stay until the program ends.
pub fn zeros(length: NonZeroUsize) -> Result<&'static [u8]> {
    // Nothing that can be written is never counted as memory that may be needed.
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_ANONYMOUS | MapFlags::MAP_NORESERVE;
    // SAFETY: a new mapping, at an address that the kernel chooses, is nobody else's memory.
    let start = unsafe { mmap(None, length, ProtFlags::PROT_READ, flags, -1, 0) }
        .with_context(|| format!("cannot map {length} bytes; give fewer with --bytes"))?;
    // SAFETY: all of the mapping can be read, is initialised with 0, nobody writes to it, and it is
    // never unmapped. The kernel maps nothing longer than isize::MAX.
    Ok(unsafe { slice::from_raw_parts(start.cast(), length.get()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_bytes_that_can_be_asked_for_are_there_and_take_no_memory() {
        let bytes = zeros(NonZeroUsize::new(1 << 30).unwrap()).unwrap();
        assert_eq!(
            (bytes.len(), bytes.first(), bytes.last()),
            (1 << 30, Some(&0), Some(&0))
        );
    }
}
