//! The node.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::size_of;
use std::path::{Path, PathBuf};

use abi::ksort::{get_stats, ksort_stats, set_algorithm, set_order, set_type};
use abi::ksort::{KSORT_DOWN, KSORT_UP};
use anyhow::{anyhow, ensure, Result};
use cli::Access;
use nix::errno::Errno;

use crate::number::Number;

/// Numbers that are worth a call.
pub const PIECE: usize = 1 << 16;

/// An open `/dev/ksort`, a session of its own.
pub struct Node {
    file: File,
    path: PathBuf,
}

impl Node {
    /// Opens the node, to sort numbers of type `T`, and makes sure that it is one: another file may
    /// lose what it holds by a write.
    pub fn open<T: Number>(path: &Path, reverse: bool, algorithm: u32) -> Result<Node> {
        let file = cli::open(path, Access::ReadWrite, "ksort.ko")?;
        let order = if reverse { KSORT_DOWN } else { KSORT_UP };
        set_type(&file, T::TYPE)
            .and_then(|()| set_order(&file, order))
            .and_then(|()| set_algorithm(&file, algorithm))
            .map_err(|error| explain(path, "set how to sort", error.into()))?;
        let path = path.to_owned();
        Ok(Node { file, path })
    }

    /// Adds numbers to the set.
    pub fn add<T: Number>(&mut self, numbers: &[T]) -> Result<()> {
        self.file
            .write_all(bytemuck::cast_slice(numbers))
            .map_err(|error| explain(&self.path, "write", error))
    }

    /// Takes the next of the sorted numbers, as many as there is room for or are left; how many
    /// these are. The first time, they are sorted before.
    pub fn take<T: Number>(&mut self, numbers: &mut [T]) -> Result<usize> {
        let bytes = bytemuck::cast_slice_mut(numbers);
        let mut taken = 0;
        while taken < bytes.len() {
            match self.file.read(&mut bytes[taken..]) {
                Ok(0) => break,
                Ok(more) => taken += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(explain(&self.path, "read", error)),
            }
        }
        ensure!(
            taken % size_of::<T>() == 0,
            "{}: gave a part of a number; is it a ksort node?",
            self.path.display()
        );
        Ok(taken / size_of::<T>())
    }

    pub fn stats(&self) -> Result<ksort_stats> {
        get_stats(&self.file)
            .map_err(|error| explain(&self.path, "get the statistics", error.into()))
    }
}

fn explain(path: &Path, verb: &str, error: io::Error) -> anyhow::Error {
    let path = path.display();
    match error.raw_os_error().map(Errno::from_i32) {
        Some(Errno::ENOTTY) => anyhow!("{path}: does not sort; is it a ksort node?"),
        Some(Errno::EFBIG) => anyhow!(
            "{path}: the set is larger than the module takes (EFBIG); write more MiB, up to 256, \
             to /sys/module/ksort/parameters/max_mib"
        ),
        Some(Errno::ENOMEM) => anyhow!(
            "{path}: not enough memory (ENOMEM); give fewer numbers, or try --algorithm quick, \
             which sorts in place"
        ),
        _ => anyhow!("{path}: cannot {verb}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::io::AsRawFd;

    use nix::fcntl::{fcntl, FcntlArg, OFlag};

    use super::*;

    /// A node that gives one of `pieces` for each read(2).
    fn giving(pieces: &[&[u8]]) -> Node {
        let (file, mut pipe) = cli::pipe().unwrap();
        // Each write is then a packet, of which a read gets no more than one.
        fcntl(pipe.as_raw_fd(), FcntlArg::F_SETFL(OFlag::O_DIRECT)).unwrap();
        for piece in pieces {
            assert_eq!(pipe.write(piece).unwrap(), piece.len());
        }
        let path = "NODE".into();
        Node { file, path }
    }

    #[test]
    fn numbers_may_come_in_short_reads() {
        let bytes: Vec<u8> = [1i32, -2, 3].map(i32::to_ne_bytes).concat();
        let mut node = giving(&[
            &bytes[..3],
            &bytes[3..4],
            &bytes[4..8],
            &bytes[8..9],
            &bytes[9..],
        ]);
        let mut numbers = [0i32; 2];
        assert_eq!(node.take(&mut numbers).unwrap(), 2);
        assert_eq!(numbers, [1, -2]);
        assert_eq!(node.take(&mut numbers).unwrap(), 1);
        assert_eq!(numbers[0], 3);
        assert_eq!(node.take(&mut numbers).unwrap(), 0);
    }

    #[test]
    fn a_part_of_a_number_is_an_error() {
        let mut node = giving(&[&[0; 8], &[0; 3]]);
        assert_eq!(
            node.take(&mut [0u64; 4]).unwrap_err().to_string(),
            "NODE: gave a part of a number; is it a ksort node?"
        );
    }

    #[test]
    fn an_error_of_the_set_says_what_to_do() {
        let told = |error: Errno| explain(Path::new("NODE"), "write", error.into()).to_string();
        assert_eq!(
            told(Errno::ENOMEM),
            "NODE: not enough memory (ENOMEM); give fewer numbers, or try --algorithm quick, which \
             sorts in place"
        );
        assert!(told(Errno::EFBIG).ends_with("to /sys/module/ksort/parameters/max_mib"));
        assert_eq!(
            told(Errno::EFAULT),
            "NODE: cannot write: Bad address (os error 14)"
        );
    }
}
