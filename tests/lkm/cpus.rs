//! CPUs that come and go, what each has for itself, kernel threads, large arrays; the cases are in
//! tests/modules/lkm_test/cpus.rs.

use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use tests::{
    cpus_of_threads, leaks_of_thread, leaks_on_purpose, online_cpus, rounds, run_before_all_others,
    run_on, spare_cpu, until, Module, SpareCpu,
};

use crate::load;

/// What `name: cpu N event` lines of tests/modules/lkm_test say, in their order.
fn events(module: &mut Module) -> Vec<String> {
    let lines = module.lines().into_iter();
    lines
        .filter_map(|line| Some(line.text.strip_prefix("lkm_test: ")?.to_owned()))
        .filter(|text| text.contains(": cpu "))
        .collect()
}

fn all_cpus(state: &str, event: &str) -> Vec<String> {
    let cpus = online_cpus().into_iter();
    cpus.map(|cpu| format!("{state}: cpu {cpu} {event}"))
        .collect()
}

#[test]
fn cpus_have_numbers() {
    load("cpus");
}

#[test]
fn each_cpu_has_memory_of_its_own() {
    load("percpu");
}

#[test]
fn counters_lose_nothing_to_other_cpus_and_interrupts() {
    load("counters");
}

#[test]
fn large_arrays_grow_and_have_bounds() {
    let mut module = load("arrays");
    module.expect_refusal("lkm: a thread tried to sleep in atomic context");
}

#[test]
fn a_thread_that_is_dropped_ends_at_once_and_its_data_is_dropped_once() {
    load("threads");
}

#[test]
fn a_thread_that_is_stopped_before_it_begins_never_runs() {
    // A thread that ends with its priority, wherever the test itself runs.
    let loader = thread::spawn(|| {
        run_on(0);
        run_before_all_others();
        for _ in 0..20 {
            load("stop_before_run");
        }
    });
    loader.join().expect("see above");
}

/// It goes on for 50 ms after that: if unloading did not wait for it, it would run in freed memory.
#[test]
fn a_thread_that_drops_its_own_handle_is_stopped_and_waited_for() {
    leaks_on_purpose(|| {
        for _ in 0..5 {
            let mut module = load("drop_own_handle");
            assert_eq!(module.remove(), Ok(()));
            thread::sleep(Duration::from_millis(60));
        }
    });
}

#[test]
fn what_sleeps_about_cpus_is_refused_in_an_interrupt() {
    leaks_on_purpose(|| {
        let mut module = load("cpus_in_interrupt");
        let refused = "lkm_test: refused: Some(ENOMEM) Some(ENOMEM) Some(ENOMEM) Some(ENOMEM)";
        let lines = module.lines();
        assert!(lines.iter().any(|line| line.text == refused), "{lines:?}");
        module.expect_refusal("lkm: an interrupt handler tried to sleep");
    });
}

#[test]
fn leaked_threads_and_states_do_not_outlive_the_module() {
    leaks_of_thread("cpuhp/");
    leaks_on_purpose(|| {
        for _ in rounds(20) {
            let mut module = load("leak_cpus");
            assert_eq!(module.remove(), Ok(()));
            assert_eq!(cpus_of_threads("lkm_test_thread"), [""; 0]);
            assert_eq!(cpus_of_threads("lkm_test_step/0"), [""; 0]);
        }
    });
}

#[test]
fn leaked_threads_and_states_do_not_outlive_an_init_that_fails() {
    leaks_of_thread("cpuhp/");
    leaks_on_purpose(|| {
        let mut module = Module::unloaded("lkm_test");
        for _ in rounds(20) {
            let refused = module.insert(&["case=leak_cpus_and_fail"]);
            assert_eq!(refused, Err(Errno::ENODEV));
            assert_eq!(cpus_of_threads("lkm_test_step/0"), [""; 0]);
        }
    });
}

#[test]
fn a_hotplug_state_begins_and_ends_on_each_cpu() {
    let mut module = load("hotplug");
    assert_eq!(cpus_of_threads("lkm_test_step/0"), ["0", "0"]);
    assert_eq!(module.remove(), Ok(()));
    assert_eq!(cpus_of_threads("lkm_test_step/0"), [""; 0]);
    let mut expected = all_cpus("first", "online");
    expected.extend(all_cpus("second", "online"));
    expected.extend(all_cpus("second", "offline"));
    expected.extend(all_cpus("first", "offline"));
    assert_eq!(events(&mut module), expected);
}

#[test]
fn a_cpu_that_goes_and_comes_is_told() {
    let mut module = load("hotplug");
    let spare = spare_cpu!(module);
    let mut expected = events(&mut module);
    for _ in 0..3 {
        assert_eq!(spare.set_online(false), Ok(()));
        let cpu = spare.number();
        expected.push(format!("second: cpu {cpu} offline"));
        expected.push(format!("first: cpu {cpu} offline"));
        assert_eq!(cpus_of_threads(&format!("lkm_test_step/{cpu}")), [""; 0]);

        assert_eq!(spare.set_online(true), Ok(()));
        expected.push(format!("first: cpu {cpu} online"));
        expected.push(format!("second: cpu {cpu} online"));
        assert_eq!(events(&mut module), expected);
        let where_it_is = cpu.to_string();
        let threads = cpus_of_threads(&format!("lkm_test_step/{cpu}"));
        assert_eq!(threads, [&*where_it_is, &*where_it_is]);
    }
}

#[test]
fn a_state_that_a_cpu_refuses_is_undone_on_the_others() {
    let mut module = load("nothing");
    assert_eq!(module.remove(), Ok(()));
    // With the flag, the last CPU refuses.
    assert_eq!(
        module.insert(&["case=hotplug", "flag=1"]),
        Err(Errno::EXDEV)
    );
    let mut expected = all_cpus("first", "online");
    let mut undone = all_cpus("first", "offline");
    undone.pop();
    expected.extend(undone);
    assert_eq!(events(&mut module), expected);
    assert_eq!(cpus_of_threads("lkm_test_step/0"), [""; 0]);

    // Nothing of it is left that a CPU could run into.
    if let Some(spare) = SpareCpu::find(&module) {
        assert_eq!(spare.set_online(false), Ok(()));
        assert_eq!(spare.set_online(true), Ok(()));
    }
}

#[test]
fn a_cpu_that_a_state_refuses_stays_offline() {
    let module = load("hotplug");
    let spare = spare_cpu!(module);
    assert_eq!(spare.set_online(false), Ok(()));
    module.set_parameter("flag", "1").unwrap();
    assert_eq!(spare.set_online(true), Err(Errno::EXDEV));
    assert!(!online_cpus().contains(&spare.number()));
    module.set_parameter("flag", "0").unwrap();
    assert_eq!(spare.set_online(true), Ok(()));
}

/// The second state has been left when the first one fails, and the scheduler has sent the threads
/// of the first elsewhere.
#[test]
fn a_cpu_that_cannot_go_offline_has_its_threads_back() {
    let mut module = load("hotplug");
    let spare = spare_cpu!(module);
    let cpu = spare.number();
    let mut expected = events(&mut module);
    for _ in 0..5 {
        spare.fail_at("lkm_test/first:online");
        assert_eq!(spare.set_online(false), Err(Errno::EAGAIN));
        expected.push(format!("second: cpu {cpu} offline"));
        expected.push(format!("second: cpu {cpu} online"));
        assert_eq!(events(&mut module), expected);
        let here = cpu.to_string();
        until("both threads are bound to their CPU", || {
            cpus_of_threads(&format!("lkm_test_step/{cpu}")) == [&*here, &*here]
        });
    }
}

#[test]
fn unloading_leaked_states_while_a_cpu_comes_and_goes() {
    leaks_of_thread("cpuhp/");
    leaks_on_purpose(|| {
        let mut module = load("leak_cpus");
        let spare = spare_cpu!(module);
        spare.comes_and_goes_while(|| {
            for _ in rounds(10) {
                thread::sleep(Duration::from_millis(20));
                module.reload(&["case=leak_cpus"]);
            }
        });
    });
}
