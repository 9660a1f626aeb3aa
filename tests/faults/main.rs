//! Every allocation fails once, and every copy from and to userland: what each module's calls then
//! say, what they leave behind, and whether all goes on.
//!
//! For a kernel that injects faults: the debug variant.

mod calls;
mod injection;
mod life;
mod table;
mod trial;

mod hello;
mod ksort;
mod lkm;
mod misc;
mod percpu_counter;
mod simrupt;
