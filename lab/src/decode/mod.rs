//! Oopses and stack traces, made readable: functions by the names that their sources have, and each
//! followed by the lines that it comes from.

mod code;
mod frame;
pub mod sources;

use crate::cache;
use crate::kernels::arch::Arch;
use anyhow::Result;
use code::{demangled, Code};
use frame::{frames, Frame, Place};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::str;

/// What may be in front of a console's line that is shown by others.
const INDENT: [char; 2] = [' ', '|'];
/// How a line of the source begins.
const AT: &str = "at ";

/// The kernel whose words are to be decoded, by what it was built of.
pub struct Decoder {
    checkout: PathBuf,
    modules: Vec<PathBuf>,
    vmlinux: Option<PathBuf>,
    /// What was read of those; none of what cannot be.
    read: HashMap<PathBuf, Option<Code>>,
    /// Modules with frames of which no lines are known.
    without: BTreeSet<String>,
    /// Modules with frames in functions that they have not, or of another size.
    strange: BTreeSet<String>,
}

impl Decoder {
    /// `modules` are files; one that is not the one that ran is left aside. The kernel's file is
    /// called vmlinux.
    pub fn new(modules: Vec<PathBuf>, kdir: Option<&Path>) -> Result<Decoder> {
        Ok(Decoder {
            checkout: cache::checkout()?,
            modules,
            vmlinux: kdir.map(|kdir| kdir.join("vmlinux")),
            read: HashMap::new(),
            without: BTreeSet::new(),
            strange: BTreeSet::new(),
        })
    }

    /// The decoder of what a guest has said, of this image and with these modules.
    pub fn of_guest(arch: &Arch, image: &Path, mut modules: Vec<PathBuf>) -> Result<Decoder> {
        // Not these alone: the same may be there with debug information.
        modules.extend(sources::built(arch)?);
        let above = Path::new(arch.image).components().count();
        let kdir = image.ancestors().nth(above);
        Decoder::new(modules, kdir.filter(|_| image.ends_with(arch.image)))
    }

    /// The text with what there is to know. Lines in which no function is named stay as they are, and
    /// so do those that are decoded already.
    pub fn decode(&mut self, text: &[u8]) -> Vec<u8> {
        let mut decoded = Vec::new();
        // The place that a program counter was said to be at, which is at the top of the trace, too.
        let mut counter = None;
        // Whether the last frame is that which an interrupt or an exception comes by.
        let mut is_interrupted = false;
        let mut lines = text.split_inclusive(|&byte| byte == b'\n').peekable();
        while let Some(bytes) = lines.next() {
            let line = match str::from_utf8(bytes) {
                Ok(line) => line,
                Err(_) => {
                    decoded.extend_from_slice(bytes);
                    continue;
                }
            };
            let next = lines.peek().and_then(|next| str::from_utf8(next).ok());
            let next = next.unwrap_or("").trim_start_matches(INDENT);
            let is_decoded = next.starts_with(AT);
            let is_counter = ["pc : ", "RIP: ", "WARNING: "]
                .iter()
                .any(|word| line.contains(word));
            let mut rest = 0;
            let mut places = String::new();
            let margin = margin(line);
            for frame in frames(line) {
                decoded.extend_from_slice(line[rest..frame.start].as_bytes());
                let name = &line[frame.start..frame.start + frame.function.len()];
                decoded.extend(demangled(name).into_bytes());
                decoded.extend_from_slice(line[frame.start + name.len()..frame.end].as_bytes());
                rest = frame.end;
                if let Some(place) = frame.place.filter(|_| !is_decoded) {
                    let this = (frame.function, place);
                    let is_exact = is_counter || counter == Some(this) || is_interrupted;
                    if is_counter {
                        counter = Some(this);
                    }
                    is_interrupted = frame.function.starts_with("el1h_64_")
                        && !frame.function.ends_with("_handler");
                    places.push_str(&self.places(&frame, place, is_exact, &margin));
                }
            }
            decoded.extend_from_slice(line[rest..].as_bytes());
            if !places.is_empty() && !line.ends_with('\n') {
                decoded.push(b'\n');
            }
            decoded.extend(places.into_bytes());
        }
        decoded
    }

    /// What there is to say once all is decoded, a line each.
    pub fn remarks(&self) -> Vec<String> {
        let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
        let mut remarks = Vec::new();
        if !self.without.is_empty() {
            remarks.push(format!(
                "no lines are known of {}: `make modules DEBUG_INFO=y`, with the same ARCH and VARIANT, \
                 builds modules that tell; then `lab decode` the console",
                list(&self.without)
            ));
        }
        if !self.strange.is_empty() {
            remarks.push(format!(
                "no module here is the one that ran: {}; name it with --module, or build it as it was",
                list(&self.strange)
            ));
        }
        remarks
    }

    /// A line for each line of the source.
    fn places(&mut self, frame: &Frame, place: Place, is_exact: bool, margin: &str) -> String {
        let mut text = String::new();
        let files = match place.module {
            Some(module) => self.files(module),
            None => self.vmlinux.iter().cloned().collect(),
        };
        let mut is_known = false;
        for path in files {
            let code = self.read.entry(path);
            let code = code.or_insert_with_key(|path| Code::read(path).ok());
            let address = code
                .as_ref()
                .and_then(|code| code.address(frame.function, place.offset, place.size));
            let (code, address) = match (code, address) {
                (Some(code), Some(address)) => (code, address),
                _ => continue,
            };
            is_known = true;
            if !code.has_lines() {
                continue;
            }
            // What is returned to is behind the call, which may be the last of a line; or of its function,
            // if it is one that never returns.
            let call = address - u64::from(!is_exact);
            let mut lines = code.lines(call);
            if lines.is_empty() {
                lines = code.lines(address);
            }
            for line in lines {
                let file = Path::new(&line.file);
                let file = file.strip_prefix(&self.checkout).unwrap_or(file);
                let inlined = if line.is_inlined { ", inlined" } else { "" };
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "{margin}    {AT}{}:{} in {}{inlined}",
                    file.display(),
                    line.line,
                    line.function.unwrap_or_else(|| demangled(frame.function))
                );
            }
            if !text.is_empty() {
                return text;
            }
        }
        if let Some(module) = place.module {
            let list = if is_known {
                &mut self.without
            } else {
                &mut self.strange
            };
            list.insert(module.to_owned());
        }
        text
    }

    /// The files that a module may be, which the kernel calls by a name with underscores.
    fn files(&self, module: &str) -> Vec<PathBuf> {
        let is_it = |path: &&PathBuf| {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            stem.map_or(false, |stem| stem.replace('-', "_") == module)
        };
        self.modules.iter().filter(is_it).cloned().collect()
    }
}

/// As much space as there is in front of a line's words, its time included.
fn margin(line: &str) -> String {
    let words = match line.split_once("] ") {
        Some((time, words)) if time.trim_start_matches(INDENT).starts_with('[') => words,
        _ => line,
    };
    let words = words.trim_start();
    " ".repeat(line.len() - words.len())
}
