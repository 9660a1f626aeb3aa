//! How large a module and its twin are, and what of.

use super::figures::{Sample, Side};
use super::guests::modules;
use anyhow::{Context, Result};
use object::elf::SHF_EXECINSTR;
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The sizes that are rows of the table.
pub fn samples(checkout: &Path, case: &str) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    if case == "syscall" {
        return Ok(samples);
    }
    for (side, path) in [Side::Ours, Side::C]
        .into_iter()
        .zip(modules(checkout, case))
    {
        let mut add = |op: &str, bytes: u64| {
            samples.push(Sample {
                case: case.to_owned(),
                op: op.to_owned(),
                side,
                unit: "bytes".to_owned(),
                cpus: 1,
                elements: None,
                values: vec![bytes as f64],
                run: 1,
            })
        };
        let bytes = read(&path)?;
        add(".text", code_size(&bytes, &path)?);
        if case == "hello" {
            add(".ko", bytes.len() as u64);
        }
    }
    Ok(samples)
}

pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path)
        .with_context(|| format!("cannot read {}; `make bench` builds it", path.display()))
}

pub fn parse<'a>(bytes: &'a [u8], path: &Path) -> Result<object::File<'a>> {
    object::File::parse(bytes).with_context(|| format!("{}: not an ELF file", path.display()))
}

pub fn is_code<'a>(section: &impl ObjectSection<'a>) -> bool {
    match section.flags() {
        SectionFlags::Elf { sh_flags } => sh_flags & u64::from(SHF_EXECINSTR) != 0,
        _ => false,
    }
}

/// The size of all code. In C, what runs only at insmod and rmmod is in sections of its own,
/// .init.text and .exit.text; in Rust it is in .text.
fn code_size(bytes: &[u8], path: &Path) -> Result<u64> {
    let file = parse(bytes, path)?;
    Ok(file.sections().filter(is_code).map(|s| s.size()).sum())
}

/// The functions of a module and of its twin, the largest first, and whose they are.
pub fn text(checkout: &Path, module: &str) -> Result<String> {
    let mut text = String::new();
    for path in modules(checkout, module) {
        let bytes = read(&path)?;
        let file = parse(&bytes, &path)?;
        let code: Vec<_> = file.sections().filter(is_code).map(|s| s.index()).collect();
        let mut functions: Vec<(u64, String)> = file
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Text)
            .filter(|symbol| symbol.section_index().map_or(false, |i| code.contains(&i)))
            .filter_map(|symbol| Some((symbol.size(), symbol.name().ok()?)))
            .map(|(size, name)| (size, format!("{:#}", rustc_demangle::demangle(name))))
            .collect();
        functions.sort_by(|a, b| b.cmp(a));
        functions.dedup();
        let mut owners: BTreeMap<&str, u64> = BTreeMap::new();
        for (size, name) in &functions {
            *owners.entry(owner(name)).or_default() += size;
        }
        let mut owners: Vec<_> = owners.into_iter().collect();
        owners.sort_by_key(|&(_, size)| std::cmp::Reverse(size));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(text, "{name}: {} bytes of code", code_size(&bytes, &path)?)?;
        for (owner, size) in owners {
            writeln!(text, "{size:8} {owner}")?;
        }
        for (size, name) in functions {
            writeln!(text, "{size:12} {name}")?;
        }
    }
    Ok(text)
}

/// The crate that a function comes from: the first one that its name names.
fn owner(name: &str) -> &str {
    let name = name.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '_');
    let name = name.strip_prefix("mut ").unwrap_or(name);
    let name = name.strip_prefix("dyn ").unwrap_or(name);
    match name.split_once("::") {
        Some((krate, _)) if krate.chars().all(|c| c.is_alphanumeric() || c == '_') => krate,
        _ if name.contains(" as ") => "core",
        _ if name.starts_with("lkm_") => "lkm's helpers in C",
        _ => "C",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_an_owner() {
        for (name, expected) in [
            ("lkm::miscdevice::open", "lkm"),
            ("<lkm::fs::File>::from_ptr", "lkm"),
            ("<simrupt::Handler>::tick", "simrupt"),
            (
                "<&mut core::fmt::Formatter as core::fmt::Write>::write_str",
                "core",
            ),
            ("<bool as lkm::moduleparam::Number>::load", "core"),
            ("lkm_mutex_lock", "lkm's helpers in C"),
            ("init_module", "C"),
        ] {
            assert_eq!(owner(name), expected, "{name}");
        }
    }

    #[test]
    fn the_code_of_a_program_is_less_than_all_of_it() {
        let path = std::env::current_exe().unwrap();
        let bytes = fs::read(&path).unwrap();
        let size = code_size(&bytes, &path).unwrap();
        assert!((1..bytes.len() as u64).contains(&size), "{size}");
        assert!(code_size(b"no", &path).is_err());
    }
}
