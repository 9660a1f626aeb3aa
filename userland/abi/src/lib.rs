//! The ABI of every device node: one module for each header in `include/uapi`.
//!
//! Types and numbers are generated from the headers at build time, for the target's own C
//! layout; `tests/layout.rs` compares them with what a C compiler says. Around each ioctl there is
//! a safe function, so that no program needs `unsafe` to talk to a node.

pub mod ksort;
pub mod misc;
pub mod percpu_counter;
pub mod simrupt;
