//! A fragment of the user's, as a file that the lab writes: never over what was in it.

use anyhow::{bail, Context, Result};
use nix::unistd::{access, AccessFlags};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where it is, whether by a link or not.
pub struct Own {
    file: PathBuf,
    folder: PathBuf,
}

impl Own {
    /// That of a file that is there or can be made.
    pub fn of(file: &Path) -> Result<Own> {
        let cannot = || format!("--fragment {} cannot be written", file.display());
        let file = match file.symlink_metadata() {
            Ok(_) => fs::canonicalize(file).with_context(cannot)?,
            Err(_) => file.to_owned(),
        };
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let in_folder = || format!("{}: in {}", cannot(), folder.display());
        access(&folder, AccessFlags::W_OK | AccessFlags::X_OK).with_context(in_folder)?;
        Ok(Own { file, folder })
    }

    /// Keeps a text beside it, under a name that nothing has.
    pub fn keep(&self, text: &str) -> Result<PathBuf> {
        for n in 1.. {
            let mut path = self.file.clone().into_os_string();
            path.push(format!(".~{n}~"));
            let path = PathBuf::from(path);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
                opened => {
                    let cannot = || format!("cannot write {}", path.display());
                    let mut old = opened.with_context(cannot)?;
                    old.write_all(text.as_bytes()).with_context(cannot)?;
                    return Ok(path);
                }
            }
        }
        bail!("there are too many {}.~*~", self.file.display())
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, text: &str) -> Result<()> {
        let cannot = || format!("cannot write {}", self.file.display());
        let mode = match fs::metadata(&self.file) {
            Ok(old) => old.permissions(),
            // Less what umask says.
            Err(_) => Permissions::from_mode(0o666),
        };
        let mut new = tempfile::Builder::new();
        let mut new = new
            .permissions(mode)
            .tempfile_in(&self.folder)
            .with_context(cannot)?;
        new.write_all(text.as_bytes()).with_context(cannot)?;
        new.persist(&self.file)
            .map_err(|e| e.error)
            .with_context(cannot)?;
        Ok(())
    }
}
