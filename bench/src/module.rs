//! Modules: ours, and its twin in C, whose name and node have `c_` before them.

use crate::sample::Side;
use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

/// A loaded module; dropping it unloads it.
pub struct Module {
    name: String,
}

impl Module {
    pub fn name(name: &str, side: Side) -> String {
        match side {
            Side::C => format!("c_{name}"),
            _ => name.to_owned(),
        }
    }

    /// Loads one side's module, as insmod does with these parameters.
    pub fn load(name: &str, side: Side, parameters: &str) -> Result<Module> {
        let name = Module::name(name, side);
        let path = format!("/modules/{name}.ko");
        let file = File::open(&path)
            .with_context(|| format!("{path}: not in this guest; was it built, with BENCH=y?"))?;
        let text = CString::new(parameters)?;
        finit_module(&file, &text, ModuleInitFlags::empty())
            .with_context(|| format!("cannot load {path} {parameters}"))?;
        Ok(Module { name })
    }

    /// Opens its node.
    pub fn open(&self) -> Result<File> {
        let path = format!("/dev/{}", self.name);
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_CLOEXEC.bits())
            .open(&path)
            .with_context(|| format!("cannot open {path}"))
    }

    /// Unloads it, and says so if that fails.
    pub fn remove(self) -> Result<()> {
        let this = std::mem::ManuallyDrop::new(self);
        unload(&this.name)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Err(error) = unload(&self.name) {
            eprintln!("bench: {error:#}");
        }
    }
}

fn unload(name: &str) -> Result<()> {
    let text = CString::new(name)?;
    delete_module(&text, DeleteModuleFlags::O_NONBLOCK)
        .with_context(|| format!("cannot unload {name}"))
}
