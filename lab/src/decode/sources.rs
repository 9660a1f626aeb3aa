//! What a kernel's words are looked up in.

use crate::cache;
use crate::guest::elf;
use crate::kernels::arch::{Arch, ARCHES};
use anyhow::Result;
use std::path::PathBuf;

/// The architecture of the kernel that has said this, if it tells: how it spells a trace.
pub fn arch_of(text: &str) -> Option<&'static Arch> {
    let name = if text.contains("Call Trace:") || text.contains("RIP: ") {
        "x86_64"
    } else if text.contains("Call trace:") || text.contains("pc : ") {
        "arm64"
    } else {
        return None;
    };
    ARCHES.iter().find(|arch| arch.name == name)
}

/// All modules of the architecture that make has built in this checkout, for whatever kernel, with
/// and without debug information; those that it has built last come first.
pub fn built(arch: &Arch) -> Result<Vec<PathBuf>> {
    let checkout = cache::checkout()?;
    let mut folders = vec![cache::modules(&checkout)];
    if let Ok(entries) = checkout.join("target/kbuild").read_dir() {
        let mut others: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        others.sort();
        folders.extend(others);
    }
    let mut modules = Vec::new();
    for folder in folders {
        for folder in [folder.clone(), folder.join("tests"), folder.join("bench")] {
            let entries = folder.read_dir().into_iter().flatten().flatten();
            let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
            paths.retain(|path| {
                path.extension()
                    .map_or(false, |extension| extension == "ko")
                    && matches!(elf::read(path), Ok(Some(elf)) if elf.machine == arch.elf_machine)
            });
            paths.sort();
            modules.extend(paths);
        }
    }
    Ok(modules)
}
