//! Sweeps: one command in each of many guests, and a table of what came of it.

pub mod kernel;
pub mod place;
pub mod points;
pub mod table;
