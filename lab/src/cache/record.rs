//! What a finished folder held, so that it can be told later whether it still does.
//!
//! A record lists each folder with the time of its last change, which is another one as soon as an
//! entry is gone, and the files in it with their sizes. Looking at the folders alone takes a
//! fraction of what looking at 80,000 files does, and misses only what was changed in its place.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Ends a record; one without it was not written to its end.
const END: &[u8] = b"end";

/// Lists all files below `folder`, but for those at its top that are called one of `except`.
pub fn make(folder: &Path, except: &[&str]) -> io::Result<Vec<u8>> {
    let mut record = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let path = folder.join(&below);
        add(&mut record, 'd', &time(&path.symlink_metadata()?), &below);
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let name = entry.file_name();
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(below.join(name));
            } else if !below.as_os_str().is_empty() || except.iter().all(|&other| name != other) {
                add(
                    &mut record,
                    'f',
                    &metadata.len().to_string(),
                    Path::new(&name),
                );
            }
        }
    }
    record.extend(END);
    Ok(record)
}

/// An entry: what it is, the text that tells whether it has changed, its name, NUL.
fn add(record: &mut Vec<u8>, kind: char, text: &str, name: &Path) {
    record.extend(format!("{kind} {text} ").as_bytes());
    record.extend(name.as_os_str().as_bytes());
    record.push(0);
}

fn time(metadata: &Metadata) -> String {
    format!("{}.{}", metadata.mtime(), metadata.mtime_nsec())
}

/// The first thing below `folder` that is not there any more or has another size; `None` if there is
/// none. The files of a folder that has not changed are looked at only if this is to be `thorough`.
/// An error if that is no record.
pub fn lost(folder: &Path, record: &[u8], thorough: bool) -> io::Result<Option<PathBuf>> {
    let entries = record.strip_suffix(END).ok_or(ErrorKind::InvalidData)?;
    let mut path = folder.to_owned();
    let mut look = true;
    for entry in entries
        .split(|&byte| byte == 0)
        .filter(|entry| !entry.is_empty())
    {
        let mut parts = entry.splitn(3, |&byte| byte == b' ');
        let mut part = || parts.next().ok_or(ErrorKind::InvalidData);
        let (kind, text, name) = (part()?, part()?, Path::new(OsStr::from_bytes(part()?)));
        match kind {
            b"d" => {
                path = folder.join(name);
                match found(&path)? {
                    Some(now) if now.is_dir() => {
                        look = thorough || time(&now).as_bytes() != text;
                    }
                    _ => return Ok(Some(path)),
                }
            }
            b"f" if look => {
                let file = path.join(name);
                match found(&file)? {
                    Some(now) if now.len().to_string().as_bytes() == text => {}
                    _ => return Ok(Some(file)),
                }
            }
            b"f" => {}
            _ => return Err(ErrorKind::InvalidData.into()),
        }
    }
    Ok(None)
}

fn found(path: &Path) -> io::Result<Option<Metadata>> {
    match path.symlink_metadata() {
        Ok(metadata) => Ok(Some(metadata)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) if e.raw_os_error() == Some(nix::libc::ENOTDIR) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        for (folder, name) in [
            ("", "Makefile"),
            ("a b", "c d"),
            ("a b/e", "f\n"),
            ("empty", "x"),
        ] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        let record = make(dir.path(), &[]).unwrap();
        (dir, record)
    }

    #[test]
    fn what_has_lost_nothing_has_lost_nothing() {
        let (dir, record) = tree();
        for thorough in [false, true] {
            assert_eq!(lost(dir.path(), &record, thorough).unwrap(), None);
        }
        // More is no harm.
        fs::write(dir.path().join("a b/more"), "").unwrap();
        assert_eq!(lost(dir.path(), &record, false).unwrap(), None);
    }

    #[test]
    fn whatever_is_gone_is_named() {
        for name in [
            "Makefile",
            "a b/c d",
            "a b/e/f\n",
            "a b/e",
            "a b",
            "empty/x",
            "link",
        ] {
            for thorough in [false, true] {
                let (dir, record) = tree();
                let path = dir.path().join(name);
                if path.is_dir() {
                    fs::remove_dir_all(&path).unwrap();
                } else {
                    fs::remove_file(&path).unwrap();
                }
                assert_eq!(lost(dir.path(), &record, thorough).unwrap(), Some(path));
            }
        }
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_a_loss() {
        let (dir, record) = tree();
        fs::remove_dir_all(dir.path().join("a b")).unwrap();
        fs::write(dir.path().join("a b"), "").unwrap();
        assert_eq!(
            lost(dir.path(), &record, false).unwrap(),
            Some(dir.path().join("a b"))
        );
    }

    #[test]
    fn what_was_cut_off_is_found_by_a_thorough_look() {
        let (dir, record) = tree();
        let path = dir.path().join("a b/e/f\n");
        fs::write(&path, "").unwrap();
        assert_eq!(lost(dir.path(), &record, true).unwrap(), Some(path));
    }

    #[test]
    fn half_a_record_is_none() {
        let (dir, record) = tree();
        for end in [record.len() - 1, record.len() / 2, 1] {
            assert!(lost(dir.path(), &record[..end], true).is_err(), "{end}");
        }
    }
}
