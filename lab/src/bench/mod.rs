//! How the bench measures, and what it makes of the figures.

pub mod figures;
pub mod guests;
pub mod plot;
pub mod profile;
pub mod report;
pub mod size;
mod trace;
