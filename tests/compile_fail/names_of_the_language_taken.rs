// SPDX-License-Identifier: GPL-2.0

//! Whatever the names of the language mean in a module, in the macros of lkm they mean what they do
//! there: this compiles.
#![allow(dead_code, non_camel_case_types)]

mod core {}
mod alloc {}
struct str;
struct u8;
struct u16;
struct usize;
struct Some;
struct None;
struct Option;

use lkm::prelude::{module, pr_debug, pr_info, Module, ThisModule};

module! {
    type: Names,
    name: "names",
    author: "rlkm",
    description: "Has names of its own",
    license: "GPL",
    params: {
        str: str {
            default: "",
            permissions: 0o444,
            description: "a string",
        },
        u16: u16 {
            default: 1,
            range: 1..=2,
            permissions: 0o444,
            description: "a number",
        },
        mode: octal {
            default: 0o600,
            permissions: 0o444,
            description: "permissions",
        },
        name: u32 {
            default: 1,
            permissions: 0o444,
            description: "a name that a macro may have",
        },
        module: bool {
            default: false,
            permissions: 0o444,
            description: "another",
        },
        storage: u64 {
            default: 1,
            permissions: 0o444,
            description: "another",
        },
    },
}

struct Names;

impl Module for Names {
    fn init(_module: &'static ThisModule) -> lkm::Result<Self> {
        drop(lkm::new_mutex!((), "names")?);
        pr_info!("{}\n", module_parameters::u16.value());
        pr_debug!("{}\n", module_parameters::str.value());
        Ok(Names)
    }
}
