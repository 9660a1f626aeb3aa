//! The little that the lab asks of an ELF file: whose it is, and whether it needs a loader. And the
//! least that a program is: its code, and headers that say so.

use super::ports;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

const PT_INTERP: u32 = 3;

/// A 64-bit little-endian ELF file.
#[derive(Debug, PartialEq, Eq)]
pub struct Elf {
    /// `e_machine`, as [`crate::kernels::arch::Arch::elf_machine`].
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

/// The kernel, as `uname -r` has it, that a module says it is for.
pub fn vermagic(module: &[u8]) -> Option<String> {
    const KEY: &[u8] = b"\0vermagic=";
    let at = ports::find(module, KEY)? + KEY.len();
    let release = module[at..]
        .split(|&byte| byte == b' ' || byte == 0)
        .next()?;
    String::from_utf8(release.to_vec()).ok()
}

/// A program for a machine that is `code` alone, which is run from its beginning.
pub fn program(machine: u16, code: &[u8]) -> Vec<u8> {
    const HEADER: u16 = 64;
    const PROGRAM_HEADER: u16 = 56;
    const ADDRESS: u64 = 0x40_0000;
    const PAGE: u64 = 0x1000;
    let start = u64::from(HEADER + PROGRAM_HEADER);
    let length = start + code.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let mut words = |size: usize, words: &[u64]| {
        for word in words {
            file.extend(&word.to_le_bytes()[..size]);
        }
    };
    // e_type: ET_EXEC; e_machine
    words(2, &[2, machine.into()]);
    // e_version
    words(4, &[1]);
    // e_entry, e_phoff, e_shoff
    words(8, &[ADDRESS + start, HEADER.into(), 0]);
    // e_flags
    words(4, &[0]);
    // e_ehsize, e_phentsize, e_phnum, and no sections
    words(2, &[HEADER.into(), PROGRAM_HEADER.into(), 1, 0, 0, 0]);
    // p_type: PT_LOAD; p_flags: to be read and executed
    words(4, &[1, 5]);
    // p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align
    words(8, &[0, ADDRESS, ADDRESS, length, length, PAGE]);
    file.extend(code);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_a_dynamic_one_of_this_machine() {
        let elf = read(&std::env::current_exe().unwrap()).unwrap().unwrap();
        assert!(elf.dynamic);
        assert!(crate::kernels::arch::Arch::of_elf(elf.machine)
            .unwrap()
            .is_host());
    }

    #[test]
    fn a_program_of_code_alone_runs_and_gives_its_status() {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        use std::process::{Command, Stdio};
        let arch = crate::kernels::arch::ARCHES
            .iter()
            .find(|arch| arch.is_host())
            .unwrap();
        let program = program(arch.elf_machine, arch.reseed);
        assert_eq!(parse(&program).unwrap().machine, arch.elf_machine);
        assert!(!parse(&program).unwrap().dynamic);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reseed");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .mode(0o755)
            .open(&path)
            .unwrap();
        file.write_all(&program).unwrap();
        drop(file);
        // By way of a shell: another test's child may still have the file open for writing.
        let status = || {
            let mut shell = Command::new("sh");
            shell.args(["-c", "until \"$0\" || [ $? != 126 ]; do :; done; \"$0\""]);
            shell
                .arg(&path)
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .status()
        };
        // ioctl(2) of /dev/null: -ENOTTY, of which a status has the lowest byte.
        assert_eq!(status().unwrap().code(), Some(256 - 25));
    }

    #[test]
    fn a_module_says_which_kernel_it_is_for() {
        let module = b"name=a\0vermagic=6.1.0-57-arm64 SMP mod_unload\0";
        assert_eq!(vermagic(module).as_deref(), Some("6.1.0-57-arm64"));
        assert_eq!(vermagic(b"name=a\0"), None);
    }

    #[test]
    fn what_is_not_elf_is_none() {
        assert_eq!(parse(b"#!/bin/sh\n"), None);
        assert_eq!(parse(b"\x7fELF\x02\x01"), None);
        assert_eq!(parse(b""), None);
    }
}
