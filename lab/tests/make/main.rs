//! What the Makefile checks before it compiles anything, what it hands to Kbuild, and which files
//! it touches: the real make, in a copy of the checkout's Makefile and scripts, on kernel trees
//! that are made up.

#[path = "../program/mod.rs"]
mod program;

mod arguments;
mod beside;
mod flags;
mod folder;
mod install_lab;
mod kdir;
mod setup;
mod stock;
mod world;
