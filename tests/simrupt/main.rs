//! simrupt: timer, tasklet, work, reader.

mod lifetime;
mod log;
mod manners;
mod memory;
mod node;
mod parameters;
mod program;
mod readiness;
mod regressions;
mod signals;
mod statistics;
mod stream;
