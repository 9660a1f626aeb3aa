// SPDX-License-Identifier: GPL-2.0

//! What a module may not say, as in `unsafe`, it may speak of: kernel::pr_info!, global_asm!.

/* extern crate kernel; /* unsafe */ no_mangle */

/// Text, and `unsafe` in it.
pub const TEXT: [&str; 3] = [
    "unsafe \" extern, kernel::macros",
    r#"#[no_mangle] " unsafe"#,
    "global_asm
     link_section",
];

/// Characters, and lifetimes between them.
pub fn quotes<'a>(_text: &'a str, _other: &'a str) -> [char; 3] {
    ['"', '\'', 'é'] // unsafe
}

/// Names that have such words in them.
pub struct Usage {
    /// Time in user mode.
    pub user: u64,
    /// Time in the kernel.
    pub kernel: u64,
    /// Not an extern one.
    pub external: u64,
}

/// A name in a field and a variable is no crate's.
pub fn total(usage: &Usage) -> u64 {
    let kernel = usage.kernel;
    kernel.wrapping_add(usage.user)
}
