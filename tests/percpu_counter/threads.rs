//! The threads that count by themselves.

use std::thread;
use std::time::{Duration, Instant};

use tests::{at_once, cpus_of_threads, online_cpus, run_before_all_others, run_on, until};

use crate::node::{load, load_without_threads, Node, STILL};

#[test]
fn there_is_a_thread_on_each_cpu_that_goes_with_the_module() {
    let mut module = load(&[]);
    for cpu in online_cpus() {
        let threads = cpus_of_threads(&format!("percpu_counter/{cpu}"));
        assert_eq!(threads, [cpu.to_string()]);
    }
    assert_eq!(module.remove(), Ok(()));
    for cpu in online_cpus() {
        assert_eq!(cpus_of_threads(&format!("percpu_counter/{cpu}")), [""; 0]);
    }
}

#[test]
fn without_threads_nothing_moves() {
    let _module = load_without_threads();
    assert_eq!(cpus_of_threads("percpu_counter/0"), [""; 0]);
    let node = Node::open_to_read();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(node.total().events, 0);
}

#[test]
fn each_thread_counts_events_of_no_bytes() {
    let _module = load(&["step_ms=1"]);
    let node = Node::open_to_read();
    until("five events on each CPU", || {
        let table = node.table();
        online_cpus().iter().all(|&cpu| table.cpu(cpu).events >= 5)
    });
    assert_eq!(node.total().bytes, 0);
}

/// A thread sleeps for the step at least, so it cannot count more often; how much less often
/// depends on the tick and on who else wants the CPU.
#[test]
fn a_thread_counts_once_in_a_step() {
    let _module = load(&["step_ms=20"]);
    let node = Node::open();
    let start = Instant::now();
    assert_eq!(node.reset(), Ok(()));
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(100));
        let table = node.table();
        let steps = start.elapsed().as_millis() as u64 / 20;
        for cpu in online_cpus() {
            let events = table.cpu(cpu).events;
            // One is over that had begun before.
            assert!(events <= steps + 1, "{events} events in {steps} steps");
        }
    }
    until("ten events on each CPU", || {
        let table = node.table();
        online_cpus().iter().all(|&cpu| table.cpu(cpu).events >= 10)
    });
}

/// On each CPU in turn a real-time thread keeps all others from running, for less than the second
/// after which the kernel lets them.
#[test]
fn a_cpu_whose_thread_cannot_run_does_not_move() {
    let _module = load(&["step_ms=1"]);
    for cpu in online_cpus() {
        let holder = thread::spawn(move || {
            let node = Node::open_to_read();
            let mut others = online_cpus();
            others.retain(|&other| other != cpu);
            run_on(cpu);
            until("its thread counts", || {
                let before = node.cpu(cpu).events;
                thread::sleep(Duration::from_millis(20));
                node.cpu(cpu).events > before
            });
            run_before_all_others();
            let (start, before) = (Instant::now(), node.table());
            let others_move = || {
                let now = node.table();
                others
                    .iter()
                    .all(|&other| now.cpu(other) != before.cpu(other))
            };
            while start.elapsed() < Duration::from_millis(300) {
                assert_eq!(node.cpu(cpu), before.cpu(cpu));
            }
            while !others_move() {
                assert!(
                    start.elapsed() < Duration::from_millis(800),
                    "the others stand still"
                );
            }
            assert_eq!(node.cpu(cpu), before.cpu(cpu));
        });
        holder.join().expect("see above");
    }
}

#[test]
fn a_new_step_is_taken_after_the_old_one() {
    let module = load(&["step_ms=500"]);
    let node = Node::open();
    module.set_parameter("step_ms", "1").unwrap();
    let fifty_everywhere = || {
        let table = node.table();
        online_cpus().iter().all(|&cpu| table.cpu(cpu).events >= 50)
    };
    let start = Instant::now();
    until("fifty events on each CPU", fifty_everywhere);
    // It would be 25 s with the old step.
    assert!(start.elapsed() < Duration::from_secs(10));

    module.set_parameter("step_ms", "10000").unwrap();
    until("no line moves any more", || {
        let before = node.table();
        thread::sleep(Duration::from_millis(300));
        node.table() == before
    });
}

#[test]
fn unloading_does_not_wait_for_a_step_to_end() {
    let mut module = load(&[STILL]);
    // Until they sleep for certain, and at once.
    for pause in [300, 0, 1] {
        thread::sleep(Duration::from_millis(pause));
        at_once(|| module.reload(&[STILL]));
    }
}
