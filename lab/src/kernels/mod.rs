//! Kernels: for which architectures and what for, and how their trees are made.

pub mod arch;
mod build;
pub mod fragment;
mod menu;
pub mod own;
pub mod stock;
pub mod tools;
pub mod tree;
pub mod variant;
pub mod which;

/// How to get what is missing.
const SETUP: &str = "on Debian 12, scripts/setup.sh installs it";
