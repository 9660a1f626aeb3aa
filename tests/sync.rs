//! lkm::sync: references, RCU and semaphores, tried by tests/modules/sync_test.rs.

use nix::errno::Errno;
use nix::sched::{sched_getaffinity, sched_setaffinity, CpuSet};
use nix::unistd::Pid;
use std::fs;
use tests::{leaks_on_purpose, rounds, Module};

const THIS_THREAD: Pid = Pid::from_raw(0);

fn try_load(case: &str) -> Result<Module, Errno> {
    Module::load("sync_test", &[&format!("case={case}")])
}

fn load(case: &str) -> Module {
    try_load(case).unwrap_or_else(|error| panic!("case {case}: {error}; see the log"))
}

/// How many CPUs this thread may run on.
fn num_cpus() -> usize {
    let cpus = sched_getaffinity(THIS_THREAD).unwrap();
    (0..CpuSet::count())
        .filter(|&cpu| cpus.is_set(cpu).unwrap())
        .count()
}

fn run_on(cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu).unwrap();
    sched_setaffinity(THIS_THREAD, &cpus).unwrap();
}

/// What is said of a reader of RCU that would sleep: for a kernel that is not preempted, it is a
/// thread like any other that must not.
fn reader_tried_to_sleep() -> &'static str {
    let version = fs::read_to_string("/proc/version").unwrap();
    match version.contains(" PREEMPT") {
        true => "lkm: an RCU reader tried to sleep",
        false => "lkm: a thread tried to sleep in atomic context",
    }
}

/// The numbers of what was dropped, in order.
fn dropped(module: &mut Module) -> Vec<u32> {
    let lines = module.lines();
    let numbers = lines
        .iter()
        .filter_map(|line| line.text.strip_prefix("sync_test: dropped "));
    let mut numbers: Vec<u32> = numbers.map(|number| number.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn readers_of_rcu_find_whole_values_while_writers_wait() {
    load("rcu");
}

#[test]
fn readers_of_rcu_find_whole_values_while_frees_are_deferred() {
    load("rcu_deferred");
}

#[test]
fn what_a_reader_of_rcu_has_stays_and_what_sleeps_is_refused_to_it() {
    let mut module = load("rcu_keeps");
    module.expect_refusal(reader_tried_to_sleep());
}

#[test]
fn unloading_waits_for_deferred_frees() {
    // Of each 21 values, one is leaked.
    leaks_on_purpose(|| {
        for _ in rounds(20) {
            let mut module = load("rcu_defer");
            assert_eq!(module.remove(), Ok(()));
            let all: Vec<u32> = (0..=20).filter(|&n| n != 6).collect();
            assert_eq!(dropped(&mut module), all);
        }
    });
}

/// RCU frees a few at a time, and on the CPU where that was asked for: so that one which comes when
/// the module is gone runs into nothing, the module is unloaded on another.
#[test]
fn unloading_waits_for_a_flood_of_deferred_frees() {
    let cpus = num_cpus();
    for round in rounds(10) {
        run_on(cpus - 1);
        let mut module = load("rcu_flood");
        run_on(round as usize % cpus);
        assert_eq!(module.remove(), Ok(()));
    }
}

#[test]
fn a_leaked_pointer_keeps_its_value_and_nothing_else() {
    leaks_on_purpose(|| {
        for _ in rounds(20) {
            let mut module = load("rcu_leak");
            assert_eq!(module.remove(), Ok(()));
            let all: Vec<u32> = (0..20).filter(|&n| n != 6).collect();
            assert_eq!(dropped(&mut module), all);
        }
    });
}

#[test]
fn an_init_that_fails_waits_for_deferred_frees() {
    leaks_on_purpose(|| {
        for _ in rounds(20) {
            assert_eq!(try_load("rcu_defer_and_fail").err(), Some(Errno::ENODEV));
        }
    });
}

#[test]
fn references_are_counted() {
    load("references");
}

#[test]
fn a_reference_count_that_overflows_warns_and_stays() {
    let mut module = load("saturate");
    // Of the one that is too many, and then of what is done to a count that cannot be right.
    let first = module.expect_complaint("refcount_t: ");
    assert!(first.contains("saturated; leaking memory"), "{first}");
}

#[test]
fn a_closure_is_lent_the_data_for_as_long_as_the_lock_is_held() {
    load("closures");
}

#[test]
fn closures_and_guards_of_a_mutex_exclude_each_other() {
    load("closures_and_guards");
}

#[test]
fn what_is_prepared_for_readers_of_rcu_is_seen_once_it_is_published_or_dropped() {
    let mut module = load("rcu_prepared");
    module.expect_refusal("lkm: a thread tried to sleep in atomic context");
}

#[test]
fn an_interrupt_has_a_semaphore_that_is_free_and_not_one_that_a_thread_has() {
    let mut module = load("taken_in_interrupt");
    module.expect_refusal("lkm: an interrupt handler tried to sleep");
}

#[test]
fn readers_share_a_semaphore_and_writers_do_not() {
    load("semaphore");
}

#[test]
fn locks_that_sleep_are_spun_for_by_a_reader_of_rcu() {
    let mut module = load("locks_of_a_reader");
    module.expect_refusal(reader_tried_to_sleep());
}

#[test]
fn a_condition_that_keeps_a_spin_lock_is_not_slept_for() {
    let mut module = load("condition_keeps_lock");
    module.expect_refusal("lkm: a thread tried to sleep in atomic context");
}

/// Rust's own `alloc` asks as well, though it is not lkm's.
#[test]
fn what_allocates_is_refused_under_a_spin_lock() {
    let mut module = load("spin_lock_sleeps");
    module.expect_refusal("lkm: a thread tried to sleep in atomic context");
}
