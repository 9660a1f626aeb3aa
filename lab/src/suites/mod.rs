//! The suites: their programs, and how they ended.

pub mod cases;
pub mod programs;
pub mod reports;
pub mod results;
pub mod shard;
