//! A guest: the machine, what is in it, and what goes between it and the lab.

mod boot;
pub mod busybox;
mod debug;
pub mod elf;
mod end;
pub mod initramfs;
mod kvm;
pub mod packages;
pub mod ports;
pub mod qemu;
pub mod qmp;
mod restore;
mod state;
pub mod stdin;

pub use boot::{run, shell, CONSOLE_LOG, CONSOLE_SOCKET};
pub use debug::{debug, Debugger};
pub use end::NOT_BOOTED;
