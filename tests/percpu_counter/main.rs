//! percpu_counter: counters of each CPU, and the threads that count by themselves.

mod hotplug;
mod lifetime;
mod manners;
mod memory;
mod node;
mod parameters;
mod table;
mod threads;
mod totals;
