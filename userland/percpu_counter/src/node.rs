//! The node.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use abi::percpu_counter::{get_cpu, get_total, percpu_counter_cpu, percpu_counter_total, reset};
use anyhow::{anyhow, bail, Result};
use cli::Access;
use nix::errno::Errno;

/// An open `/dev/percpu_counter`.
pub struct Node {
    file: File,
    path: PathBuf,
}

impl Node {
    /// Opens the node and makes sure that it is one: another file may lose what it holds by a
    /// write.
    pub fn open(path: &Path, access: Access) -> Result<Node> {
        let node = Node {
            file: cli::open(path, access, "percpu_counter.ko")?,
            path: path.to_owned(),
        };
        node.total()?;
        Ok(node)
    }

    /// The counts of all CPUs that there can be, in their order.
    pub fn cpus(&self) -> Result<Vec<percpu_counter_cpu>> {
        let mut cpus = Vec::new();
        for cpu in 0..u32::try_from(self.total()?.cpus).unwrap_or(u32::MAX) {
            match get_cpu(&self.file, cpu) {
                Ok(counts) => cpus.push(counts),
                // Numbers may be left out.
                Err(Errno::ENXIO) => {}
                Err(error) => {
                    let path = self.path.display();
                    bail!("{path}: cannot get the counts of CPU {cpu}: {error}");
                }
            }
        }
        Ok(cpus)
    }

    /// Has one event counted, and as many bytes as there are in `bytes`.
    pub fn count(&mut self, bytes: &[u8]) -> Result<()> {
        let path = self.path.display();
        match self.file.write(bytes) {
            Ok(length) if length == bytes.len() => Ok(()),
            Ok(length) => bail!(
                "{path}: took {length} of {} bytes; is it a percpu_counter?",
                bytes.len()
            ),
            Err(error) => bail!("{path}: cannot write: {error}"),
        }
    }

    pub fn reset(&self) -> Result<()> {
        reset(&self.file).map_err(|error| self.explain("reset", error))
    }

    fn total(&self) -> Result<percpu_counter_total> {
        get_total(&self.file).map_err(|error| self.explain("get", error))
    }

    fn explain(&self, verb: &str, error: Errno) -> anyhow::Error {
        let path = self.path.display();
        match error {
            Errno::ENOTTY => anyhow!("{path}: has no counts; is it a percpu_counter?"),
            _ => anyhow!("{path}: cannot {verb} the counts: {error}"),
        }
    }
}
