//! What include/uapi says of the nodes' ioctls: their names, and what their arguments are made of.

use anyhow::{Context, Result};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// An ioctl, and the names and sizes of its argument's fields; one without a name is all of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Ioctl {
    pub name: String,
    pub fields: Vec<(String, usize)>,
}

/// The ioctls of all headers, by the words by which strace calls one that it does not know.
pub fn ioctls(folder: &Path) -> Result<HashMap<String, Ioctl>> {
    let cannot = || format!("cannot read {}", folder.display());
    let mut text = String::new();
    for entry in fs::read_dir(folder).with_context(cannot)? {
        text += &fs::read_to_string(entry?.path()).with_context(cannot)?;
    }
    Ok(parse(&text))
}

fn parse(text: &str) -> HashMap<String, Ioctl> {
    let mut magics = HashMap::new();
    let mut structs: HashMap<&str, Vec<(String, usize)>> = HashMap::new();
    let mut ioctls = HashMap::new();
    let mut open = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["struct", name, "{"] => open = Some(name),
            ["};", ..] => open = None,
            [kind, field, ..] if open.is_some() && field.ends_with(';') => {
                let fields = structs.entry(open.unwrap_or("")).or_default();
                fields.push((field.trim_end_matches(';').to_owned(), size(kind)));
            }
            ["#define", name, number, ..] if name.ends_with("_IOC_MAGIC") => {
                magics.insert(name, number.to_lowercase());
            }
            ["#define", name, ..] => {
                let rest = line.split_once("_IO").map_or("", |(_, rest)| rest);
                let (kind, rest) = rest.split_once('(').unwrap_or(("", ""));
                let rest = rest.split_once(')').map_or("", |(rest, _)| rest);
                let arguments: Vec<&str> = rest.split(", ").collect();
                let (magic, number) = match arguments[..] {
                    [magic, number, ..] => (magics.get(magic), hexadecimal(number)),
                    _ => continue,
                };
                let fields = match arguments.get(2) {
                    Some(kind) => match kind.strip_prefix("struct ") {
                        Some(name) => structs.get(name).cloned().unwrap_or_default(),
                        None => vec![(String::new(), size(kind))],
                    },
                    None => Vec::new(),
                };
                let direction = match kind {
                    "R" => "_IOC_READ",
                    "W" => "_IOC_WRITE",
                    "WR" => "_IOC_READ|_IOC_WRITE",
                    _ => "_IOC_NONE",
                };
                if let (Some(magic), Some(number)) = (magic, number) {
                    let size: usize = fields.iter().map(|(_, size)| size).sum();
                    let size = if size > 0 {
                        format!("{size:#x}")
                    } else {
                        "0".into()
                    };
                    let words = format!("_IOC({direction}, {magic}, {number:#x}, {size})");
                    let name = name.to_owned();
                    ioctls.insert(words, Ioctl { name, fields });
                }
            }
            _ => {}
        }
    }
    ioctls
}

fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The bytes of `__u64` and the like.
fn size(kind: &str) -> usize {
    let bits: usize = kind
        .trim_start_matches(|c: char| !c.is_ascii_digit())
        .parse()
        .unwrap_or(0);
    bits / 8
}

impl Ioctl {
    /// The argument as strace would print it, from its bytes; none if they are not all there.
    pub fn argument(&self, mut bytes: &[u8]) -> Option<String> {
        let mut parts = Vec::new();
        for (field, size) in &self.fields {
            let value = bytes.get(..*size)?;
            bytes = &bytes[*size..];
            let mut word = [0; 8];
            word.get_mut(..*size)?.copy_from_slice(value);
            let value = u64::from_le_bytes(word);
            parts.push(match field.as_str() {
                "" => format!("[{value}]"),
                name => format!("{name}={value}"),
            });
        }
        let is_struct = self.fields.iter().any(|(field, _)| !field.is_empty());
        let all = parts.join(", ");
        Some(if is_struct { format!("{{{all}}}") } else { all })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ioctl_of_the_headers_is_known_with_its_fields() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../include/uapi");
        let ioctls = ioctls(Path::new(folder)).unwrap();
        assert_eq!(ioctls.len(), 13, "{ioctls:?}");
        let reset = &ioctls["_IOC(_IOC_NONE, 0xe2, 0x2, 0)"];
        assert_eq!(
            (reset.name.as_str(), reset.fields.len()),
            ("MISC_RESET_STATS", 0)
        );
        let set = &ioctls["_IOC(_IOC_WRITE, 0xe4, 0x2, 0x4)"];
        assert_eq!(set.argument(&[3, 0, 0, 0]).unwrap(), "[3]");
        let cpu = &ioctls["_IOC(_IOC_READ|_IOC_WRITE, 0xe3, 0x1, 0x18)"];
        let mut bytes = [0; 24];
        bytes[..9].copy_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0, 7]);
        assert_eq!(
            cpu.argument(&bytes).unwrap(),
            "{cpu=1, online=1, events=7, bytes=0}"
        );
        assert_eq!(cpu.argument(&bytes[..23]), None);
    }
}
