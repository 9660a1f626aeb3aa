//! What the module logs of each event: the order of the stages, their CPUs, their times.

use std::collections::BTreeSet;
use std::fs;

use tests::{Module, Record};

use crate::node::{load, Node};

/// A stage of the pipeline, as one line of the log tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Enter,
    Produce,
    Schedule,
    InIrq { usec: u64 },
    InSoftirq { usec: u64 },
    Work,
}

/// Parses `simrupt: [CPU#n] …`; `None` for lines that tell of something else.
fn parse(record: &Record) -> Option<(u32, Stage)> {
    let (cpu, what) = record
        .text
        .strip_prefix("simrupt: [CPU#")?
        .split_once("] ")?;
    let usec = |start: &str| {
        what.strip_prefix(start)?
            .strip_suffix(" usec")?
            .parse()
            .ok()
    };
    let stage = match what {
        "enter timer_handler" => Stage::Enter,
        "produce data" => Stage::Produce,
        "scheduling tasklet" => Stage::Schedule,
        "simrupt_work_func" => Stage::Work,
        _ => usec("timer_handler in_irq: ")
            .map(|usec| Stage::InIrq { usec })
            .or_else(|| {
                usec("simrupt_tasklet_func in_softirq: ").map(|usec| Stage::InSoftirq { usec })
            })
            .unwrap_or_else(|| panic!("unknown stage: {}", record.text)),
    };
    Some((
        cpu.parse()
            .unwrap_or_else(|_| panic!("no CPU: {}", record.text)),
        stage,
    ))
}

struct Logged {
    stages: Vec<(u32, Stage)>,
    events: usize,
    max_irq_usec: u64,
    max_softirq_usec: u64,
}

/// Runs the module until it has made 40 bytes, and returns what it logged of them.
fn log_of(parameters: &[&str]) -> Logged {
    let mut module = load(parameters);
    let node = Node::open();
    for _ in 0..40 {
        node.read_exactly(1);
        // Taken as it comes, lest the kernel's buffer run over.
        module.lines();
    }
    let stats = node.stats();
    drop(node);
    finish(module, stats.max_irq_ns, stats.max_softirq_ns)
}

fn finish(mut module: Module, max_irq_ns: u64, max_softirq_ns: u64) -> Logged {
    module.remove().expect("simrupt does not unload");
    let lines = module.lines();
    let stage_lines: Vec<&Record> = lines.iter().filter(|line| parse(line).is_some()).collect();
    for line in &stage_lines {
        assert_eq!(line.level, 6, "{line:?}");
    }
    let stages: Vec<_> = stage_lines.iter().filter_map(|line| parse(line)).collect();
    Logged {
        events: stages
            .iter()
            .filter(|(_, stage)| *stage == Stage::Enter)
            .count(),
        stages,
        max_irq_usec: max_irq_ns / 1000,
        max_softirq_usec: max_softirq_ns / 1000,
    }
}

/// Checks order and CPU of the stages: those of the timer handler follow each other on one CPU, the
/// tasklet comes after them on the same, the work after that on any.
fn check_order(logged: &Logged) {
    let is_handler = |stage: &Stage| !matches!(stage, Stage::InSoftirq { .. } | Stage::Work);
    let handler: Vec<_> = logged
        .stages
        .iter()
        .filter(|(_, stage)| is_handler(stage))
        .collect();
    for event in handler.chunks(4) {
        assert!(
            matches!(
                event,
                [
                    (_, Stage::Enter),
                    (_, Stage::Produce),
                    (_, Stage::Schedule),
                    (_, Stage::InIrq { .. })
                ]
            ),
            "{event:?}"
        );
        assert!(event.iter().all(|(cpu, _)| *cpu == event[0].0), "{event:?}");
    }

    // Each handler's run is followed by a tasklet on its CPU. On a guest that is held up, the next
    // event may come before it, and one tasklet serve both; but not as a rule.
    let mut in_order = 0;
    for (place, (cpu, stage)) in logged.stages.iter().enumerate() {
        if let Stage::InIrq { .. } = stage {
            let mut after = logged.stages[place..].iter();
            let tasklet = |(other, stage): &&(u32, Stage)| {
                other == cpu && matches!(stage, Stage::InSoftirq { .. })
            };
            assert!(
                after.any(|line| tasklet(&line)),
                "no tasklet on CPU {cpu} after line {place}"
            );
            let mut next = logged.stages[place + 1..].iter();
            let next = next.find(|(_, stage)| *stage != Stage::Work);
            in_order += usize::from(next.as_ref().map_or(false, tasklet));
        }
    }
    assert!(
        in_order > logged.events / 2,
        "{in_order} of {} in order",
        logged.events
    );

    let (mut softirqs, mut works) = (0, 0);
    for (_, stage) in &logged.stages {
        match stage {
            Stage::InSoftirq { .. } => softirqs += 1,
            Stage::Work => works += 1,
            _ => {}
        }
        assert!(
            works <= softirqs,
            "work before its tasklet: {:?}",
            logged.stages
        );
    }
    assert!(works > 0);
    let last = logged
        .stages
        .iter()
        .rev()
        .find_map(|(_, stage)| match stage {
            Stage::InSoftirq { .. } => Some(false),
            Stage::Work => Some(true),
            _ => None,
        });
    assert_eq!(last, Some(true), "the last tasklet was followed by no work");
}

#[test]
fn the_stages_of_an_event_come_in_order_the_interrupts_on_one_cpu() {
    let logged = log_of(&["delay_ms=20"]);
    assert!(logged.events >= 40);
    check_order(&logged);
}

#[test]
fn the_stages_come_in_order_with_the_high_resolution_timer_too() {
    let logged = log_of(&["period_us=20000"]);
    assert!(logged.events >= 40);
    check_order(&logged);
}

#[test]
fn every_cpu_in_the_log_is_online() {
    let logged = log_of(&["delay_ms=20"]);
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    let count: u32 = online.trim().rsplit('-').next().unwrap().parse().unwrap();
    let cpus: BTreeSet<u32> = logged.stages.iter().map(|(cpu, _)| *cpu).collect();
    assert!(
        cpus.iter().all(|&cpu| cpu <= count),
        "{cpus:?} of 0 to {count}"
    );
}

#[test]
fn the_times_in_the_log_are_real() {
    let logged = log_of(&["delay_ms=20"]);
    let irq: Vec<u64> = times(&logged, |stage| match stage {
        Stage::InIrq { usec } => Some(usec),
        _ => None,
    });
    let softirq: Vec<u64> = times(&logged, |stage| match stage {
        Stage::InSoftirq { usec } => Some(usec),
        _ => None,
    });
    for (name, times, max) in [
        ("in_irq", irq, logged.max_irq_usec),
        ("in_softirq", softirq, logged.max_softirq_usec),
    ] {
        assert!(times.iter().any(|&usec| usec > 0), "{name}: {times:?}");
        // The statistics were taken before the last event, whose time may be another.
        let seen = &times[..40.min(times.len())];
        assert!(
            seen.iter().all(|&usec| usec <= max),
            "{name}: at most {max}: {seen:?}"
        );
        assert!(
            seen.contains(&max) || times.contains(&max),
            "{name}: {max} is not in {times:?}"
        );
    }
}

fn times(logged: &Logged, time: impl Fn(Stage) -> Option<u64>) -> Vec<u64> {
    logged
        .stages
        .iter()
        .filter_map(|(_, stage)| time(*stage))
        .collect()
}

#[test]
fn nothing_is_logged_of_events_without_log() {
    let mut module = load(&["log=0", "delay_ms=1"]);
    Node::open().read_exactly(20);
    module.remove().expect("simrupt does not unload");
    let lines = module.lines();
    assert!(!lines.iter().any(|line| parse(line).is_some()), "{lines:?}");
}
