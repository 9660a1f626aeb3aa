//! ksort: sessions in which numbers are sorted.

#[path = "../ksort/adversary.rs"]
mod adversary;
mod child;
mod lifetime;
mod limits;
mod manners;
mod memory;
mod node;
#[path = "../ksort/numbers.rs"]
mod numbers;
mod parameters;
#[path = "../../modules/ksort/quick.rs"]
mod quick;
mod regressions;
mod sessions;
mod settings;
mod signals;
mod sorting;
mod statistics;
mod stream;

/// What the numbers of the tests on the host are also about, and those of a node are not.
mod sort {
    pub trait Word {}
    impl Word for u32 {}
    impl Word for u64 {}
}
