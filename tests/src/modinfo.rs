//! What a module says about itself before it is loaded.

use std::fs;

use object::{Object, ObjectSection};

use crate::path_of;

/// The `key=value` entries of the module's .modinfo section, in their order; what modinfo(8) shows.
pub fn modinfo(module: &str) -> Vec<String> {
    let path = path_of(module);
    let file = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let elf =
        object::File::parse(&*file).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let section = elf
        .section_by_name(".modinfo")
        .unwrap_or_else(|| panic!("{}: has no .modinfo section", path.display()));
    let data = section
        .data()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    data.split(|&byte| byte == 0)
        .filter(|entry| !entry.is_empty())
        .map(|entry| String::from_utf8_lossy(entry).into_owned())
        .collect()
}
