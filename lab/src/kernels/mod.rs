//! Kernels: for which architectures and what for, and how their trees are made.

pub mod arch;
mod build;
pub mod fragment;
pub mod tools;
pub mod tree;
pub mod variant;

/// How to get what is missing.
const SETUP: &str = "on Debian 12, scripts/setup.sh installs it";
