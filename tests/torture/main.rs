//! Calls at random, good ones and bad ones, on every node: no splat, no hang, no errno that is not
//! documented, statistics that agree with what was done, nothing left in memory.
//!
//! RLKM_SEED and RLKM_CALLS say which calls and how many. They come in rounds, each with a module
//! that was loaded anew, and a seed that is one more than that of the round before; a failure names
//! the seed of its round. Each thread has a generator of its own, derived from that seed, so with
//! the same seed it makes the same calls in the same order. How the calls of different threads
//! interleave, and so what they return, is the scheduler's.

mod call;
mod errnos;
mod hand;
mod nodes;
mod place;
mod report;
mod tally;
mod trouble;

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use nix::sys::signal::{SaFlags, Signal};
use tests::{count_signal, setting, Caller, ExpeditedGracePeriods, KernelMemory, Module, SpareCpu};

use call::{Call, Mix, Slots};
use hand::Hand;
use nodes::Node;
use report::{OnFailure, Report, Trail};
use tally::Tally;

/// A round takes much less than the time of a test, on the slowest guest.
const CALLS_OF_A_ROUND: u64 = 5_000;
const THREADS: u64 = 4;
/// A long run says now and then how far it is.
const CALLS_BETWEEN_WORDS: u64 = 50_000;

#[test]
fn misc_mutex() {
    torture(&nodes::MISC_MUTEX);
}

#[test]
fn misc_spinlock() {
    torture(&nodes::MISC_SPINLOCK);
}

#[test]
fn misc_rwlock() {
    torture(&nodes::MISC_RWLOCK);
}

#[test]
fn misc_refcount() {
    torture(&nodes::MISC_REFCOUNT);
}

#[test]
fn misc_rcu() {
    torture(&nodes::MISC_RCU);
}

#[test]
fn percpu_counter() {
    torture(&nodes::PERCPU_COUNTER);
}

#[test]
fn simrupt() {
    torture(&nodes::SIMRUPT);
}

#[test]
fn ksort() {
    torture(&nodes::KSORT);
}

#[test]
fn a_seed_makes_the_same_calls_again() {
    let node = &nodes::PERCPU_COUNTER;
    let mut module = Module::unloaded(node.name);
    let mut last_calls = |seed| -> Vec<Vec<String>> {
        let trails = round(&mut module, node, seed, 400);
        trails.iter().map(Trail::calls).collect()
    };
    let first = last_calls(7);
    assert_eq!(last_calls(7), first);
    assert_ne!(last_calls(8), first);
}

fn torture(node: &'static Node) {
    let calls = setting("RLKM_CALLS").unwrap_or(20_000);
    let first_seed = setting("RLKM_SEED").unwrap_or_else(|| fastrand::u32(..).into());
    let say = |words: String| {
        // Not `eprintln!`, which the harness would keep for itself: this must be known even if the
        // kernel goes down.
        let _ = writeln!(io::stderr(), "torture: {}: {words}", node.name);
    };
    say(format!("{calls} calls, seed {first_seed}"));
    let mut module = Module::load(node.name, &[]).expect("the module does not load");
    let _fast = ExpeditedGracePeriods::new();
    module.remove().expect("the module does not unload");
    let memory = KernelMemory::settled();
    let start = Instant::now();
    let (mut seed, mut left) = (first_seed, calls);
    while left > 0 {
        let calls = left.min(CALLS_OF_A_ROUND);
        round(&mut module, node, seed, calls);
        seed = seed.wrapping_add(1);
        left -= calls;
        if left > 0 && left % CALLS_BETWEEN_WORDS == 0 {
            say(format!("{left} calls left, seed {seed}"));
        }
    }
    let took = start.elapsed();
    let whole_run = OnFailure(Report::of(node.name, first_seed, calls));
    memory.assert_regained();
    drop(whole_run);
    let each_second = calls as f64 / took.as_secs_f64();
    say(format!("{took:.1?}, {each_second:.0} calls/s"));
}

/// Loads the module, makes calls in several threads, and looks at what is left. Returns the last
/// calls of each.
fn round(module: &mut Module, node: &'static Node, seed: u64, calls: u64) -> Arc<Vec<Trail>> {
    count_signal(Signal::SIGUSR1, SaFlags::empty());
    count_signal(Signal::SIGALRM, SaFlags::empty());
    count_signal(Signal::SIGUSR2, SaFlags::SA_RESTART);

    let mut rng = Rng::with_seed(seed);
    let report = Report {
        parameters: (node.load)(&mut rng),
        trails: Arc::new((0..THREADS).map(|_| Trail::default()).collect()),
        ..Report::of(node.name, seed, calls)
    };
    let mix = Mix::of_seed(seed, node);
    let _on_failure = OnFailure(report.clone());
    let parameters: Vec<&str> = report.parameters.iter().map(String::as_str).collect();
    module
        .insert(&parameters)
        .expect("the module does not load");
    let last_words = report.clone();
    module.watch(move || last_words.words());

    let slots = Slots;
    let tally = Tally::new();
    let spare = SpareCpu::find(module);
    let calls_of_a_thread = (calls + THREADS - 1) / THREADS;
    let stop = AtomicBool::new(false);
    let over = AtomicBool::new(false);
    let failures: Vec<String> = thread::scope(|scope| {
        let (tally, stop, over) = (&tally, &stop, &over);
        let callers: Vec<_> = report
            .trails
            .iter()
            .map(|trail| {
                let mut rng = rng.fork();
                Caller::start(scope, move || {
                    let hand = Hand::new(mix, tally, &mut rng);
                    let next = || Call::random(&mut rng, &mix);
                    let made = make_calls(&hand, next, calls_of_a_thread, trail, stop);
                    // The others need not go on.
                    stop.fetch_or(made.is_err(), Ordering::Relaxed);
                    made
                })
            })
            .collect();
        let hotplug_rng = rng.fork();
        let hotplug = spare
            .as_ref()
            .map(|spare| scope.spawn(move || trouble::move_a_cpu(spare, over, hotplug_rng)));
        let mut failures = Vec::new();
        while callers.iter().any(|caller| !caller.has_returned()) {
            // Whoever sleeps is woken by one of these.
            let signals = [Signal::SIGUSR1, Signal::SIGUSR1, Signal::SIGUSR2];
            for caller in &callers {
                caller.signal(*rng.choice(&signals).unwrap());
            }
            failures.extend(trouble::change_a_parameter(node, module, &mut rng).err());
            let stopped = !failures.is_empty() || module.complaint().is_some();
            stop.fetch_or(stopped, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(10));
        }
        over.store(true, Ordering::Relaxed);
        failures.extend(callers.into_iter().filter_map(|caller| caller.join().err()));
        failures.extend(hotplug.and_then(|thread| thread.join().unwrap().err()));
        failures
    });
    drop(spare);
    assert!(failures.is_empty(), "{}", failures.join("\n"));

    for file in slots.readable() {
        (node.check_file)(file);
    }
    drop(slots);
    (node.check_module)(node, module, &tally);
    assert_eq!(module.references(), 0);
    module.remove().expect("the module does not unload");
    if let Some(complaint) = module.complaint() {
        panic!("{complaint}");
    }
    report.trails
}

fn make_calls(
    hand: &Hand<'_>,
    mut next: impl FnMut() -> Call,
    calls: u64,
    trail: &Trail,
    stop: &AtomicBool,
) -> Result<(), String> {
    for index in 0..calls {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let call = next();
        trail.begin(index, call);
        let (result, wrong) = hand.make(&call);
        trail.end(result);
        if let Some(wrong) = wrong {
            return Err(format!("call {index}: {call:?}: {result:?}: {wrong}"));
        }
    }
    Ok(())
}
