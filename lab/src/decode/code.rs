//! A module's or the kernel's file: where its functions are, and the lines that they come from.

use crate::bench::size::is_code;
use anyhow::{Context as _, Result};
use gimli::{EndianRcSlice, LittleEndian};
use object::{
    Object, ObjectKind, ObjectSection, ObjectSymbol, RelocationKind, RelocationTarget, SectionIndex,
};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;

type Reader = EndianRcSlice<LittleEndian>;

/// A line of the source that a place comes from, and in which function.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// None in assembly.
    pub function: Option<String>,
    pub file: String,
    pub line: u32,
    /// Whether the function is a part of the next one here.
    pub is_inlined: bool,
}

pub struct Code {
    functions: HashMap<String, Vec<Function>>,
    /// Without debug information, none.
    lines: Option<addr2line::Context<Reader>>,
}

#[derive(Clone, Copy)]
struct Function {
    address: u64,
    /// Up to the next one, or to the end of all that there is.
    size: u64,
    is_last: bool,
}

impl Code {
    pub fn read(path: &Path) -> Result<Code> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let parse = || -> Result<Code> {
            let file = object::File::parse(&*bytes)?;
            let lines = match file.section_by_name(".debug_line") {
                Some(_) => Some(lines(&file)?),
                None => None,
            };
            let functions = functions(&file);
            Ok(Code { functions, lines })
        };
        parse().with_context(|| format!("{}: not what a kernel is built of", path.display()))
    }

    pub fn has_lines(&self) -> bool {
        self.lines.is_some()
    }

    /// The address of a place, if there is such a function, of this size.
    pub fn address(&self, function: &str, offset: u64, size: u64) -> Option<u64> {
        let candidates = self.functions.get(function)?;
        let found = candidates
            .iter()
            .find(|candidate| match candidate.is_last {
                // To the kernel it goes on to whatever comes then.
                true => candidate.size <= size,
                false => candidate.size == size,
            })?;
        // A call at the end of a function returns to behind it.
        (offset <= size).then_some(found.address + offset)
    }

    /// The lines of an address, the innermost function first.
    pub fn lines(&self, address: u64) -> Vec<Line> {
        let mut found = Vec::new();
        let frames = self.lines.as_ref();
        let frames = frames.map(|lines| lines.find_frames(address).skip_all_loads());
        if let Some(Ok(mut frames)) = frames {
            while let Ok(Some(frame)) = frames.next() {
                let function = frame.function.as_ref();
                let name = function.and_then(|function| function.raw_name().ok());
                let location = frame.location.as_ref();
                found.push(Line {
                    function: name.map(|name| demangled(name.as_ref())),
                    file: location.and_then(|l| l.file).unwrap_or("?").to_owned(),
                    line: location.and_then(|l| l.line).unwrap_or(0),
                    is_inlined: true,
                });
            }
        }
        if let Some(last) = found.last_mut() {
            last.is_inlined = false;
        }
        found
    }
}

/// A function's name as its source has it.
pub fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// Where a section is. In a module all begin at 0, and code is then put where each has room.
fn base(file: &object::File, index: SectionIndex) -> u64 {
    let section = match file.section_by_index(index) {
        Ok(section) => section,
        Err(_) => return 0,
    };
    let is_moved = file.kind() == ObjectKind::Relocatable && is_code(&section);
    section.address() + if is_moved { (index.0 as u64) << 32 } else { 0 }
}

fn functions(file: &object::File) -> HashMap<String, Vec<Function>> {
    let mut ends = Vec::new();
    for section in file.sections().filter(is_code) {
        ends.push(base(file, section.index()) + section.size());
    }
    let is_relocatable = file.kind() == ObjectKind::Relocatable;
    let mut symbols = Vec::new();
    for symbol in file.symbols() {
        let index = symbol.section_index();
        let section = index.and_then(|index| file.section_by_index(index).ok());
        let name = symbol.name().unwrap_or("");
        // Those of assemblers are no names to the kernel either.
        let is_name = !name.is_empty() && !name.starts_with('$') && !name.starts_with(".L");
        let is_section = symbol.kind() == object::SymbolKind::Section;
        match section {
            Some(section) if is_code(&section) && is_name && !is_section => {
                let moved = base(file, section.index()) - section.address();
                symbols.push((symbol.address() + moved, name));
            }
            _ => {}
        }
    }
    symbols.sort_unstable();
    let mut all: HashMap<String, Vec<Function>> = HashMap::new();
    for (number, &(address, name)) in symbols.iter().enumerate() {
        let mut next = symbols[number..].iter().map(|&(other, _)| other);
        let next = next.find(|&other| other != address);
        let end = ends.iter().copied().filter(|&end| end > address).min();
        let end = end.unwrap_or(address);
        let is_last = next.map_or(true, |next| next > end);
        let end = match next {
            Some(next) if !is_last || !is_relocatable => next,
            _ => end,
        };
        all.entry(name.to_owned()).or_default().push(Function {
            address,
            size: end - address,
            is_last,
        });
    }
    all
}

fn lines(file: &object::File) -> Result<addr2line::Context<Reader>> {
    let load = |id: gimli::SectionId| -> Result<Reader> {
        let bytes = match file.section_by_name(id.name()) {
            Some(section) => contents(file, &section)?,
            None => Vec::new(),
        };
        Ok(EndianRcSlice::new(Rc::from(bytes), LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load)?;
    Ok(addr2line::Context::from_dwarf(dwarf)?)
}

/// A section's bytes; in a module, a linker has yet to fill in what refers to others.
fn contents<'a>(file: &object::File<'a>, section: &impl ObjectSection<'a>) -> Result<Vec<u8>> {
    let mut bytes = section.uncompressed_data()?.into_owned();
    if file.kind() != ObjectKind::Relocatable {
        return Ok(bytes);
    }
    for (offset, relocation) in section.relocations() {
        let target = match relocation.target() {
            RelocationTarget::Symbol(index) => {
                let symbol = file.symbol_by_index(index)?;
                let base = symbol.section_index().map_or(0, |index| base(file, index));
                base + symbol.address()
            }
            RelocationTarget::Section(index) => base(file, index),
            _ => 0,
        };
        let size = usize::from(relocation.size() / 8);
        let offset = usize::try_from(offset)?;
        let end = offset.saturating_add(size);
        if relocation.kind() == RelocationKind::Absolute && size <= 8 {
            let value = target.wrapping_add(relocation.addend() as u64);
            let place = bytes.get_mut(offset..end);
            let place = place.context("a relocation is outside of its section")?;
            place.copy_from_slice(&value.to_le_bytes()[..size]);
        }
    }
    Ok(bytes)
}
