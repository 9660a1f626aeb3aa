//! What the tests share: a module that is loaded for the length of a test, the kernel's log, and
//! waiting with an end.
//!
//! The tests run as root inside the guest. Each loads the module it is about, drives its node, and
//! unloads it; the guard, [`Module`], fails the test if the kernel complained meanwhile.

mod kmsg;
mod modinfo;
mod module;
mod program;
mod wait;
mod watchdog;

pub use kmsg::{KernelLog, Record};
pub use modinfo::modinfo;
pub use module::{path_of, Module};
pub use program::{text, Program};
pub use wait::{asleep_in_read, holds_in_time, until, Asleep, LIMIT};
