//! The little that the lab asks of an ELF file: whose it is, and whether it needs a loader.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

const PT_INTERP: u32 = 3;

/// A 64-bit little-endian ELF file.
#[derive(Debug, PartialEq, Eq)]
pub struct Elf {
    /// `e_machine`, as [`crate::arch::Arch::elf_machine`].
    pub machine: u16,
    /// Whether it names a dynamic loader, which a guest does not have.
    pub dynamic: bool,
}

/// Reads a file's ELF header; `None` when it is not such a file.
pub fn read(path: &Path) -> Result<Option<Elf>> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(4096).read_to_end(&mut start))
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(parse(&start))
}

/// Reads the header and the program headers, which linkers place right behind it.
fn parse(bytes: &[u8]) -> Option<Elf> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, size, count) = (
        u32_at(32)? as usize,
        u16_at(54)? as usize,
        u16_at(56)? as usize,
    );
    let dynamic = (0..count).any(|i| u32_at(table.saturating_add(i * size)) == Some(PT_INTERP));
    Some(Elf {
        machine: u16_at(18)?,
        dynamic,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_a_dynamic_one_of_this_machine() {
        let elf = read(&std::env::current_exe().unwrap()).unwrap().unwrap();
        assert!(elf.dynamic);
        assert!(crate::arch::Arch::of_elf(elf.machine).unwrap().is_host());
    }

    #[test]
    fn what_is_not_elf_is_none() {
        assert_eq!(parse(b"#!/bin/sh\n"), None);
        assert_eq!(parse(b"\x7fELF\x02\x01"), None);
        assert_eq!(parse(b""), None);
    }
}
