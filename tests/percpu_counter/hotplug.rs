//! CPUs that go offline and come back, through /sys.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tests::{at_once, cpus_of_threads, online_cpus, run_on, spare_cpu, until};

use crate::node::{counts, load, load_without_threads, Node, STILL};

fn thread_of(cpu: usize) -> String {
    format!("percpu_counter/{cpu}")
}

#[test]
fn an_offline_cpu_keeps_its_counts() {
    let module = load_without_threads();
    let spare = spare_cpu!(module);
    let cpu = spare.number();
    let writer = thread::spawn(move || {
        run_on(cpu);
        let node = Node::open_to_write();
        for _ in 0..10 {
            node.write(b"12345").unwrap();
        }
    });
    writer.join().expect("no panic");
    let node = Node::open_to_read();
    for online in [false, true] {
        assert_eq!(spare.set_online(online), Ok(()));
        assert_eq!(node.is_online(cpu), online);
        assert_eq!(node.cpu(cpu), counts(10, 50));
        assert_eq!(node.table().cpu(cpu), counts(10, 50));
        assert_eq!(node.total(), counts(10, 50));
    }
}

#[test]
fn an_offline_cpu_can_be_reset() {
    let module = load(&["step_ms=1"]);
    let spare = spare_cpu!(module);
    let node = Node::open();
    until("an event", || node.cpu(spare.number()).events > 0);
    assert_eq!(spare.set_online(false), Ok(()));
    assert_eq!(node.reset(), Ok(()));
    assert_eq!(node.cpu(spare.number()), counts(0, 0));
}

#[test]
fn a_thread_goes_with_its_cpu_and_comes_back() {
    let module = load(&["step_ms=1"]);
    let spare = spare_cpu!(module);
    let cpu = spare.number();
    let node = Node::open_to_read();
    for _ in 0..3 {
        let moves = || {
            let before = node.cpu(cpu).events;
            until("its CPU's line moves", || node.cpu(cpu).events > before);
        };
        moves();
        assert_eq!(spare.set_online(false), Ok(()));
        assert_eq!(cpus_of_threads(&thread_of(cpu)), [""; 0]);
        let left = node.cpu(cpu);
        thread::sleep(Duration::from_millis(50));
        assert_eq!(node.cpu(cpu), left);

        assert_eq!(spare.set_online(true), Ok(()));
        assert_eq!(cpus_of_threads(&thread_of(cpu)), [cpu.to_string()]);
        moves();
    }
}

#[test]
fn a_cpu_that_comes_after_loading_has_a_thread() {
    let mut module = load(&["step_ms=1"]);
    let spare = spare_cpu!(module);
    let cpu = spare.number();
    assert_eq!(spare.set_online(false), Ok(()));
    module.reload(&["step_ms=1"]);
    assert_eq!(cpus_of_threads(&thread_of(cpu)), [""; 0]);
    assert_eq!(spare.set_online(true), Ok(()));
    let node = Node::open_to_read();
    until("it counts", || node.cpu(cpu).events > 0);
}

#[test]
fn a_cpu_that_cannot_go_keeps_its_thread() {
    let module = load(&["step_ms=1"]);
    let spare = spare_cpu!(module);
    let cpu = spare.number();
    let node = Node::open_to_read();
    for _ in 0..3 {
        spare.fail_at("rlkm/percpu_counter:online");
        assert_eq!(spare.set_online(false), Err(Errno::EAGAIN));
        until("its thread is back", || {
            cpus_of_threads(&thread_of(cpu)) == [cpu.to_string()]
        });
        let before = node.cpu(cpu).events;
        until("its CPU's line moves", || node.cpu(cpu).events > before);
    }
}

/// A CPU that is about to go sends its threads to the others. The threads of these sleep for 10
/// seconds here, so nothing but a stranger could move their CPUs' lines.
#[test]
fn a_thread_counts_on_no_other_cpu() {
    let module = load(&[STILL]);
    let spare = spare_cpu!(module);
    let cpu = spare.number();
    let node = Node::open();
    let start = Instant::now();
    assert_eq!(spare.set_online(false), Ok(()));
    assert_eq!(node.total(), counts(0, 0));
    // For the thread that is new.
    module.set_parameter("step_ms", "1").unwrap();
    assert_eq!(spare.set_online(true), Ok(()));
    let mut rounds = 0;
    while start.elapsed() < Duration::from_secs(4) && rounds < 10 {
        let before = node.cpu(cpu).events;
        until("its CPU's line moves", || node.cpu(cpu).events > before);
        spare.fail_at("rlkm/percpu_counter:online");
        assert_eq!(spare.set_online(false), Err(Errno::EAGAIN));
        rounds += 1;
    }
    let table = node.table();
    assert_eq!(
        table.total,
        table.cpu(cpu),
        "after {rounds} rounds: {table}"
    );
}

/// A step of 10 seconds does not hold up a CPU that is to go, either.
#[test]
fn a_cpu_does_not_wait_for_a_step_to_end() {
    let module = load(&[STILL]);
    let spare = spare_cpu!(module);
    at_once(|| {
        assert_eq!(spare.set_online(false), Ok(()));
        assert_eq!(spare.set_online(true), Ok(()));
    });
}

/// The threads count events of no bytes, so the bytes are the writers' alone.
#[test]
fn writers_lose_nothing_while_a_cpu_comes_and_goes() {
    let module = load(&["step_ms=1"]);
    let spare = spare_cpu!(module);
    let node = Node::open();
    let done = AtomicBool::new(false);
    let written = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..2 * online_cpus().len() {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(node.write(b"12345"), Ok(5));
                    written.fetch_add(5, Ordering::Relaxed);
                }
            });
        }
        let mut before = node.table();
        for _ in 0..10 {
            for online in [false, true] {
                assert_eq!(spare.set_online(online), Ok(()));
                let table = node.table();
                for (then, now) in before.cpus.iter().zip(&table.cpus) {
                    assert!(now.events >= then.events && now.bytes >= then.bytes);
                }
                before = table;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let written = written.into_inner();
    assert_eq!(node.total().bytes, written);
    assert_eq!(node.table().total.bytes, written);
}

#[test]
fn loading_and_unloading_while_a_cpu_comes_and_goes() {
    let mut module = load(&["step_ms=1"]);
    let spare = spare_cpu!(module);
    spare.comes_and_goes_while(|| {
        for _ in 0..10 {
            module.reload(&["step_ms=1"]);
        }
    });
    let node = Node::open_to_read();
    let cpu = spare.number();
    until("its thread counts", || node.cpu(cpu).events > 0);
}
