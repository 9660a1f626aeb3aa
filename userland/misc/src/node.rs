//! A node of the family.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use abi::misc::{get_stats, misc_stats, reset_stats};
use anyhow::{anyhow, bail, ensure, Context, Result};
use cli::Access;
use nix::errno::Errno;

use crate::message::MAX;

/// Opens whatever `path` is; each module of the family has the name of its node.
pub fn open(path: &Path, access: Access) -> Result<File> {
    let name = path.file_name().unwrap_or(path.as_os_str());
    cli::open(path, access, &format!("{}.ko", name.to_string_lossy()))
}

/// Reads from the position on to the end of the message into `message`, at most `piece` bytes at a
/// time; ends as well when there is more than a message can have.
pub fn read_message(file: &mut impl Read, piece: usize, message: &mut Vec<u8>) -> io::Result<()> {
    message.clear();
    let mut buffer = [0; MAX + 1];
    while message.len() <= MAX {
        let piece = piece.clamp(1, buffer.len());
        let length = file.read(buffer.get_mut(..piece).unwrap_or_default())?;
        if length == 0 {
            break;
        }
        message.extend(buffer.get(..length).unwrap_or_default());
    }
    Ok(())
}

/// An open node, of which it is known that it is one of the family: another file may lose what it
/// holds by a write.
pub struct Node {
    file: File,
    path: PathBuf,
}

impl Node {
    pub fn open(path: &Path, access: Access) -> Result<Node> {
        let node = Node {
            file: open(path, access)?,
            path: path.to_owned(),
        };
        node.stats()?;
        Ok(node)
    }

    pub fn message(&mut self) -> Result<Vec<u8>> {
        let mut message = Vec::new();
        read_message(&mut self.file, MAX + 1, &mut message)
            .with_context(|| format!("{}: cannot read", self.path.display()))?;
        Ok(message)
    }

    pub fn set_message(&mut self, message: &[u8]) -> Result<()> {
        let path = self.path.display();
        ensure!(
            !message.is_empty(),
            "{path}: the message is empty, and writing 0 bytes changes nothing; give 1 to {MAX} bytes"
        );
        match self.file.write(message) {
            Ok(length) if length == message.len() => Ok(()),
            Ok(length) => bail!(
                "{path}: took {length} of {} bytes; is it a misc node?",
                message.len()
            ),
            Err(error) if error.raw_os_error() == Some(Errno::EMSGSIZE as i32) => {
                bail!("{path}: the message is too long (EMSGSIZE); give at most {MAX} bytes")
            }
            Err(error) => bail!("{path}: cannot write: {error}"),
        }
    }

    pub fn stats(&self) -> Result<misc_stats> {
        get_stats(&self.file).map_err(|error| self.explain("get", error))
    }

    pub fn reset_stats(&self) -> Result<()> {
        reset_stats(&self.file).map_err(|error| self.explain("reset", error))
    }

    fn explain(&self, verb: &str, error: Errno) -> anyhow::Error {
        let path = self.path.display();
        match error {
            Errno::ENOTTY => anyhow!("{path}: has no statistics; is it a misc node?"),
            _ => anyhow!("{path}: cannot {verb} the statistics: {error}"),
        }
    }
}
