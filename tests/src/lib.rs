//! What the tests share: a module that is loaded for the length of a test, the kernel's log,
//! calls with arguments that are hard to get right, and waiting with an end.
//!
//! The tests run as root inside the guest. Each loads the module it is about, drives its node, and
//! unloads it; the guard, [`Module`], fails the test if the kernel complained meanwhile.

mod caller;
mod cpus;
mod debug_kernel;
mod errno;
mod ioctl;
mod kernel_memory;
mod kmsg;
mod lockdep;
mod memory;
mod modinfo;
mod module;
mod node;
mod parameters;
mod program;
mod rcu;
mod setting;
mod slow;
pub mod transfer;
mod turn;
mod wait;
mod watchdog;

pub use caller::{count_signal, counted_signals, Caller};
pub use cpus::{
    cpus_of_threads, online_cpus, possible_cpus, run_before_all_others, run_on, SpareCpu,
};
pub use debug_kernel::{is_debug_kernel, leaks_of_thread, leaks_on_purpose, rounds};
pub use ioctl::{assert_no_ioctls_but, ioctl_at};
pub use kernel_memory::KernelMemory;
pub use kmsg::Record;
pub use lockdep::{lock_classes, lockdep_is_on};
pub use memory::{free_memory, read_at, write_at, EdgeOfMemory, Gibibyte, KERNEL, UNMAPPED};
pub use modinfo::modinfo;
pub use module::{path_of, Insertion, Module};
pub use node::Node;
pub use parameters::{
    assert_keeps, assert_modinfo, assert_node_has_the_mode_asked_for, assert_refused, mode_of,
};
pub use program::{text, wrote, Program};
pub use rcu::ExpeditedGracePeriods;
pub use setting::setting;
pub use slow::SlowMemory;
pub use wait::{
    asleep_in_ioctl, asleep_in_read, asleep_in_splice, asleep_in_write, at_once, holds_in_time,
    stat_field, time_in_kernel, until, Asleep, AT_ONCE, LIMIT,
};
