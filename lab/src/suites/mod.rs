//! The suites: their programs, and how they ended.

pub mod programs;
pub mod results;
