//! The program `percpu_counter` on the real node.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;

use abi::percpu_counter::{get_cpu, get_total};
use nix::errno::Errno;
use nix::sched::CpuSet;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use serde_json::{json, Value};
use tests::{text, until, wrote, Module, Program};

const COUNTER: Program = Program("percpu_counter");

const NODE: &str = "/dev/percpu_counter";

/// Loads the module so that only writes are counted.
fn load_without_threads() -> Module {
    load(&["threads=0"])
}

fn load(parameters: &[&str]) -> Module {
    Module::load("percpu_counter", parameters).expect("percpu_counter.ko does not load")
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in: {text}"))
}

fn show() -> Value {
    json_of(&COUNTER.writes(&["show", "--json"]))
}

/// What one CPU has counted, events and bytes.
fn counted(counts: &Value, cpu: usize) -> (u64, u64) {
    let cpus = counts["cpus"].as_array().unwrap();
    let line = cpus.iter().find(|line| line["cpu"] == cpu).unwrap();
    (
        line["events"].as_u64().unwrap(),
        line["bytes"].as_u64().unwrap(),
    )
}

fn cpus(value: &Value) -> &Vec<Value> {
    value["cpus"].as_array().unwrap()
}

fn rate(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap()
}

fn signal(child: &std::process::Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

#[test]
fn count_has_events_counted_on_the_cpu_that_it_is_told() {
    let _module = load_without_threads();
    let all = cpus(&show()).len();
    for cpu in 0..all {
        let before = show();
        assert_eq!(
            COUNTER.writes(&["count", "50", "--cpu", &cpu.to_string(), "--bytes", "3"]),
            ""
        );
        let after = show();
        for other in 0..all {
            let ((events, bytes), more) =
                (counted(&before, other), if other == cpu { 50 } else { 0 });
            assert_eq!(
                counted(&after, other),
                (events + more, bytes + 3 * more),
                "CPU {other} after {cpu}"
            );
        }
    }
    let total = json!({ "events": 50 * all, "bytes": 150 * all });
    assert_eq!(show()["total"], total);
}

#[test]
fn count_without_a_cpu_counts_somewhere_and_one_byte_each() {
    let _module = load_without_threads();
    COUNTER.writes(&["count", "1000"]);
    assert_eq!(show()["total"], json!({ "events": 1000, "bytes": 1000 }));
    COUNTER.writes(&["count", "0"]);
    COUNTER.writes(&["count", "2", "--bytes", "1000000"]);
    assert_eq!(
        show()["total"],
        json!({ "events": 1002, "bytes": 2_001_000 })
    );
}

#[test]
fn as_many_bytes_are_counted_as_the_range_allows_however_little_memory_there_is() {
    let _module = load_without_threads();
    COUNTER.writes(&["count", "3", "--bytes", "1073741824"]);
    assert_eq!(show()["total"], json!({ "events": 3, "bytes": 3u64 << 30 }));
}

#[test]
fn a_cpu_that_is_not_there_is_an_error_and_nothing_is_counted() {
    let _module = load_without_threads();
    for cpu in [CpuSet::count() - 1, CpuSet::count(), usize::MAX] {
        let output = COUNTER.run(&["count", "5", "--cpu", &cpu.to_string()]);
        COUNTER.assert_complained(
            &output,
            &format!(
                "CPU {cpu}: cannot run there: EINVAL: Invalid argument; `percpu_counter show` \
                 tells which are online"
            ),
        );
    }
    assert_eq!(show()["total"], json!({ "events": 0, "bytes": 0 }));
}

#[test]
fn a_cpu_that_is_offline_is_shown_so_and_cannot_be_counted_on() {
    let _module = load_without_threads();
    let last = cpus(&show()).len() - 1;
    let switch = format!("/sys/devices/system/cpu/cpu{last}/online");
    if last == 0 {
        // The only CPU stays online.
        return;
    }
    COUNTER.writes(&["count", "7", "--cpu", &last.to_string()]);
    fs::write(&switch, "0").unwrap();
    let shown = show();
    let output = COUNTER.run(&["count", "1", "--cpu", &last.to_string()]);
    let table = COUNTER.writes(&["show"]);
    fs::write(&switch, "1").unwrap();
    assert_eq!(
        cpus(&shown)[last],
        json!({ "cpu": last, "online": false, "events": 7, "bytes": 7 })
    );
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let line: Vec<&str> = table
        .lines()
        .nth(last + 1)
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(line, [&last.to_string(), "no", "7", "7"]);
    assert_eq!(cpus(&show())[last]["online"], true);
}

#[test]
fn show_tells_people_and_programs_what_the_node_does() {
    let _module = load_without_threads();
    COUNTER.writes(&["count", "12", "--cpu", "0", "--bytes", "5"]);
    let file = File::open(NODE).unwrap();
    let shown = show();
    let table = COUNTER.writes(&["show"]);
    let mut lines = table.lines().map(|line| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    assert_eq!(lines.next().unwrap(), ["cpu", "online", "events", "bytes"]);
    let mut listed = 0;
    for cpu in 0..get_total(&file).unwrap().cpus as u32 {
        let counts = match get_cpu(&file, cpu) {
            Ok(counts) => counts,
            Err(Errno::ENXIO) => continue,
            Err(error) => panic!("{error}"),
        };
        let expected = json!({
            "cpu": cpu, "online": counts.online == 1, "events": counts.events,
            "bytes": counts.bytes,
        });
        assert_eq!(cpus(&shown)[listed], expected);
        let online = if counts.online == 1 { "yes" } else { "no" };
        let (events, bytes) = (counts.events.to_string(), counts.bytes.to_string());
        assert_eq!(
            lines.next().unwrap(),
            [&cpu.to_string(), online, &events, &bytes]
        );
        listed += 1;
    }
    assert_eq!(cpus(&shown).len(), listed);
    assert_eq!(lines.next().unwrap(), ["total", "12", "60"]);
    assert_eq!(lines.next(), None);
    let told_by_the_node = fs::read_to_string(NODE).unwrap();
    assert!(
        told_by_the_node.ends_with("total: events 12, bytes 60\n"),
        "{told_by_the_node}"
    );
}

#[test]
fn reset_sets_everything_to_0() {
    let _module = load_without_threads();
    COUNTER.writes(&["count", "12"]);
    assert_eq!(COUNTER.writes(&["reset"]), "");
    let counts = show();
    assert_eq!(counts["total"], json!({ "events": 0, "bytes": 0 }));
    assert!((0..cpus(&counts).len()).all(|cpu| counted(&counts, cpu) == (0, 0)));
}

#[test]
fn watch_shows_the_steps_of_each_thread() {
    let _module = load(&["step_ms=10"]);
    let told = COUNTER.writes(&["watch", "--seconds", "1", "--interval", "0.5", "--json"]);
    let intervals: Vec<Value> = told.lines().map(json_of).collect();
    assert_eq!(intervals.len(), 2, "{told}");
    // One may be shorter, as the one before it was longer.
    let all: f64 = intervals.iter().map(|rates| rate(rates, "seconds")).sum();
    assert!(all >= 0.99, "{told}");
    for rates in &intervals {
        let seconds = rate(rates, "seconds");
        // Not more than the clock allows; how many fewer is the guest's business.
        let most = (seconds / 0.010 + 2.0) / seconds;
        for cpu in cpus(rates) {
            let events = rate(cpu, "events_per_second");
            assert!(events > 0.0 && events <= most, "{rates}");
            assert_eq!(rate(cpu, "bytes_per_second"), 0.0);
        }
    }
}

#[test]
fn watch_shows_the_bytes_of_writers() {
    let _module = load_without_threads();
    let mut writer = COUNTER
        .command(&["count", "1000000000000", "--cpu", "0", "--bytes", "4"])
        .spawn()
        .unwrap();
    let told = COUNTER.writes(&["watch", "--seconds", "0.5", "--interval", "0.5", "--json"]);
    signal(&writer, Signal::SIGKILL);
    writer.wait().unwrap();
    let rates = json_of(&told);
    let events = rate(&rates["total"], "events_per_second");
    let bytes = rate(&rates["total"], "bytes_per_second");
    assert!(events > 0.0, "{rates}");
    // A look at the counts may come between an event and its bytes.
    assert!((bytes / events - 4.0).abs() < 0.5, "{rates}");
    for cpu in &cpus(&rates)[1..] {
        assert_eq!(rate(cpu, "events_per_second"), 0.0, "{rates}");
    }
}

#[test]
fn watch_tells_people_a_table_for_each_interval() {
    let _module = load_without_threads();
    let told = COUNTER.writes(&["watch", "--seconds", "0.3", "--interval", "0.1"]);
    let tables: Vec<&str> = told.split("\n\n").collect();
    assert_eq!(tables.len(), 3, "{told}");
    for table in tables {
        let lines: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines[0], ["cpu", "events/s", "bytes/s"]);
        assert_eq!(lines[1], ["0", "0.0", "0.0"]);
        assert_eq!(lines[lines.len() - 1], ["total", "0.0", "0.0"]);
        assert_eq!(lines.len(), cpus(&show()).len() + 2);
    }
}

#[test]
fn watch_goes_on_over_a_reset_without_a_leap() {
    let _module = load_without_threads();
    COUNTER.writes(&["count", "1000"]);
    let mut child = COUNTER
        .command(&["watch", "--interval", "0.1", "--json"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || json_of(&lines.next().unwrap().unwrap());
    next();
    COUNTER.writes(&["reset"]);
    COUNTER.writes(&["count", "5"]);
    for _ in 0..3 {
        let rates = next();
        let events = rate(&rates["total"], "events_per_second") * rate(&rates, "seconds");
        assert!((0.0..=5.001).contains(&events), "{rates}");
    }
    signal(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_signal_ends_watch_in_good_order() {
    for kind in [Signal::SIGINT, Signal::SIGTERM] {
        let module = load_without_threads();
        let mut child = COUNTER
            .command(&["watch", "--interval", "0.01"])
            .spawn()
            .unwrap();
        // The line says that the program has got as far as its loop.
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        signal(&child, kind);
        let output = child.wait_with_output().unwrap();
        assert_eq!(wrote(&output, &["watch"]), "");
        assert_eq!(module.references(), 0);
    }
}

#[test]
fn a_signal_ends_watch_in_the_middle_of_an_interval() {
    let _module = load_without_threads();
    let child = COUNTER
        .command(&["watch", "--interval", "1000000"])
        .spawn()
        .unwrap();
    // It makes that when it has blocked the signals.
    until("watch has a signalfd", || {
        let fds = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
        let mut links = fds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        links.any(|link| link.to_string_lossy().contains("signalfd"))
    });
    signal(&child, Signal::SIGTERM);
    assert_eq!(wrote(&child.wait_with_output().unwrap(), &["watch"]), "");
}

#[test]
fn a_closed_output_ends_watch_at_once() {
    let _module = load_without_threads();
    let mut child = COUNTER
        .command(&["watch", "--interval", "1000000"])
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    wrote(&child.wait_with_output().unwrap(), &["watch"]);
}

#[test]
fn an_output_that_is_full_is_an_error() {
    let _module = load_without_threads();
    for args in [&["show"][..], &["watch", "--interval", "0.01"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = COUNTER.command(args).stdout(full).output().unwrap();
        COUNTER.assert_complained(
            &output,
            "standard output: cannot write: ENOSPC: No space left on device",
        );
    }
}

#[test]
fn a_stranger_may_do_what_the_mode_says() {
    let _module = load(&["threads=0", "mode=0444"]);
    let stranger = |args: &[&str]| {
        let mut command = COUNTER.command(args);
        command.uid(65534).gid(65534).output().unwrap()
    };
    assert!(wrote(&stranger(&["show"]), &["show"]).contains("total"));
    for args in [&["count", "1"][..], &["reset"]] {
        COUNTER.assert_complained(
            &stranger(args),
            "/dev/percpu_counter: permission denied; the node is root's, so try as root",
        );
    }
}

#[test]
fn a_missing_node_is_an_error_that_asks_for_its_module() {
    let mut module = load_without_threads();
    module.remove().expect("percpu_counter does not unload");
    for args in [&["show"][..], &["count", "1"], &["watch"], &["reset"]] {
        COUNTER.assert_complained(
            &COUNTER.run(args),
            "/dev/percpu_counter: not there; is percpu_counter.ko loaded?",
        );
    }
}

#[test]
fn a_node_of_another_kind_is_an_error() {
    for args in [&["show"][..], &["count", "1"], &["watch"], &["reset"]] {
        COUNTER.assert_complained(
            &COUNTER.run(&[&["--node", "/dev/null"], args].concat()),
            "/dev/null: has no counts; is it a percpu_counter?",
        );
    }
}
