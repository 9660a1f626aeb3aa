//! The guests' busybox of arm64, which the lab has fetched, as a program that a test gives to a guest.

use std::fs;
use std::path::{Path, PathBuf};

/// The one that guests have.
pub fn path() -> PathBuf {
    if let Some(path) = std::env::var_os("RLKM_BUSYBOX").filter(|path| !path.is_empty()) {
        return path.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
    let folder = cache.unwrap_or_else(home).join("rlkm/guest");
    let found = fs::read_dir(folder).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        let is_it = path.file_name()?.to_str()?.starts_with("arm64-");
        is_it.then(|| path.join("bin/busybox"))
    });
    found.unwrap()
}

/// A copy in the folder, whose name is another, and for busybox still its own.
pub fn program(folder: &Path) -> PathBuf {
    let copy = folder.join("busybox-of-a-test");
    fs::copy(path(), &copy).unwrap();
    copy
}
