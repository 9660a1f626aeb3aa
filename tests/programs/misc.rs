//! The program `misc` on each node of the family.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Output, Stdio};

use abi::misc::{get_stats, misc_stats};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use serde_json::Value;
use tests::{text, until, Module, Program};

const MISC: Program = Program("misc");

const MODULES: [&str; 5] = [
    "misc_mutex",
    "misc_spinlock",
    "misc_rwlock",
    "misc_refcount",
    "misc_rcu",
];

/// A loaded module of the family, and the program that uses its node.
struct Family {
    module: Module,
    name: &'static str,
    node: String,
}

impl Family {
    fn load(name: &'static str, parameters: &[&str]) -> Family {
        let module = Module::load(name, parameters);
        Family {
            module: module.unwrap_or_else(|error| panic!("{name} does not load: {error}")),
            name,
            node: format!("/dev/{name}"),
        }
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        MISC.command(&[&["--node", &self.node], args].concat())
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("misc does not run")
    }

    /// Runs the program, which must do what it is asked for, and gives what it wrote.
    #[track_caller]
    fn writes(&self, args: &[&str]) -> Vec<u8> {
        self.wrote(self.run(args), args)
    }

    /// The same for a program that has ended.
    #[track_caller]
    fn wrote(&self, output: Output, args: &[&str]) -> Vec<u8> {
        let name = self.name;
        assert_eq!(text(&output.stderr), "", "{name}: {args:?}");
        assert_eq!(output.status.code(), Some(0), "{name}: {args:?}");
        output.stdout
    }

    /// Runs the program, which must fail, and gives what it complained of the node.
    #[track_caller]
    fn fails(&self, args: &[&str]) -> String {
        self.failed(self.run(args), args)
    }

    #[track_caller]
    fn failed(&self, output: Output, args: &[&str]) -> String {
        let name = self.name;
        assert_eq!(output.status.code(), Some(3), "{name}: {args:?}");
        assert_eq!(text(&output.stdout), "", "{name}: {args:?}");
        let told = text(&output.stderr);
        let complaint = told.strip_prefix(&format!("misc: {}: ", self.node));
        complaint
            .unwrap_or_else(|| panic!("{name}: {args:?}: {told}"))
            .to_owned()
    }

    /// Starts `misc set` and gives it `input`.
    fn set_from_input(&self, input: &[u8]) -> Output {
        let mut command = self.command(&["set"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Starts `misc hammer` for a minute and waits until it has written some messages.
    fn hammer_at_work(&self) -> Child {
        let file = File::open(&self.node).unwrap();
        let before = get_stats(&file).unwrap().generation;
        let mut command = self.command(&["hammer", "--seconds", "60"]);
        let child = command.spawn().unwrap();
        until("hammer writes", || {
            get_stats(&file).unwrap().generation > before + 10
        });
        child
    }

    fn stats(&self) -> misc_stats {
        get_stats(&File::open(&self.node).unwrap()).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let text = self.writes(args);
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    }
}

/// Does the same with each module of the family.
fn for_each(parameters: &[&str], test: impl Fn(Family)) {
    for name in MODULES {
        test(Family::load(name, parameters));
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn get_writes_the_message_as_it_is() {
    for_each(&["initmsg=\"no newline\""], |misc| {
        assert_eq!(misc.writes(&["get"]), b"no newline");
        fs::write(&misc.node, b"two\nlines\n\0\xff").unwrap();
        assert_eq!(misc.writes(&["get"]), b"two\nlines\n\0\xff");
        assert_eq!(misc.writes(&["get"]), b"two\nlines\n\0\xff");
    });
}

#[test]
fn set_replaces_the_message_with_its_argument() {
    for_each(&[], |misc| {
        assert_eq!(misc.writes(&["set", "Hello there"]), b"");
        assert_eq!(fs::read(&misc.node).unwrap(), b"Hello there");
        assert_eq!(misc.writes(&["set", "--", "-x"]), b"");
        assert_eq!(fs::read(&misc.node).unwrap(), b"-x");
    });
}

#[test]
fn set_without_a_message_takes_standard_input_and_its_newline() {
    for_each(&[], |misc| {
        let output = misc.set_from_input(b"from a pipe\n");
        assert_eq!(misc.wrote(output, &["set"]), b"");
        assert_eq!(fs::read(&misc.node).unwrap(), b"from a pipe\n");
    });
}

#[test]
fn a_message_of_128_bytes_is_the_longest() {
    for_each(&[], |misc| {
        let (most, more) = ("m".repeat(128), "n".repeat(129));
        assert_eq!(misc.writes(&["set", &most]), b"");
        let too_long = "the message is too long (EMSGSIZE); give at most 128 bytes\n";
        assert_eq!(misc.fails(&["set", &more]), too_long);
        let output = misc.set_from_input(more.as_bytes());
        assert_eq!(misc.failed(output, &["set"]), too_long);
        assert_eq!(misc.writes(&["get"]), most.as_bytes());
        let stats = misc.stats();
        assert_eq!((stats.generation, stats.errors), (1, 2), "{}", misc.name);
    });
}

#[test]
fn an_empty_message_is_refused_and_the_old_one_stays() {
    for_each(&["initmsg=old"], |misc| {
        let empty =
            "the message is empty, and writing 0 bytes changes nothing; give 1 to 128 bytes\n";
        assert_eq!(misc.fails(&["set", ""]), empty);
        let output = misc.set_from_input(b"");
        assert_eq!(misc.failed(output, &["set"]), empty);
        assert_eq!(misc.writes(&["get"]), b"old");
        assert_eq!(misc.stats().generation, 0);
    });
}

#[test]
fn stats_tell_programs_every_counter() {
    for_each(&[], |misc| {
        misc.writes(&["set", "four"]);
        misc.writes(&["get"]);
        misc.fails(&["set", &"n".repeat(129)]);
        let json = misc.json(&["stats", "--json"]);
        // Each run of the program has opened the node once, this one among them.
        let references = if misc.name == "misc_refcount" { 2 } else { 0 };
        let expected = serde_json::json!({
            "generation": 1, "length": 4, "bytes_read": 4, "bytes_written": 4, "opens": 4,
            "errors": 1, "messages": 1, "references": references,
        });
        assert_eq!(json, expected, "{}", misc.name);
    });
}

#[test]
fn stats_tell_people_the_same() {
    for_each(&["initmsg=12345"], |misc| {
        misc.writes(&["get"]);
        let table = text(&misc.writes(&["stats"]));
        let mut words = table.lines().map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            (words.next().unwrap(), words.next().unwrap())
        });
        for (name, value) in [
            ("generation", "0"),
            ("length", "5"),
            ("bytes_read", "5"),
            ("bytes_written", "0"),
            ("opens", "2"),
            ("errors", "0"),
            ("messages", "1"),
        ] {
            let expected = Some((name.to_owned(), value.to_owned()));
            assert_eq!(words.next(), expected, "{}:\n{table}", misc.name);
        }
        assert_eq!(words.next().unwrap().0, "references");
        assert_eq!(words.next(), None);
    });
}

#[test]
fn a_reset_leaves_the_message_and_its_generation() {
    for_each(&[], |misc| {
        misc.writes(&["set", "four"]);
        misc.writes(&["get"]);
        misc.fails(&["set", &"n".repeat(129)]);
        assert_eq!(misc.writes(&["stats", "--reset"]), b"");
        let stats = misc.stats();
        let counted = (stats.bytes_read, stats.bytes_written, stats.errors);
        assert_eq!(counted, (0, 0, 0), "{}", misc.name);
        // That of the look at them.
        assert_eq!(stats.opens, 1, "{}", misc.name);
        assert_eq!((stats.generation, stats.length), (1, 4), "{}", misc.name);
        assert_eq!(misc.writes(&["get"]), b"four");
    });
}

/// Hammers and compares what the program says with what the module has counted.
fn hammer_and_module_agree(misc: &Family) {
    misc.writes(&["stats", "--reset"]);
    let before = misc.stats().generation;
    let arguments = ["--readers", "4", "--writers", "4", "--seconds", "0.5"];
    let report = misc.json(&[&["hammer", "--json"][..], &arguments].concat());
    let name = misc.name;
    assert_eq!((&report["torn"], &report["stale"]), (&0.into(), &0.into()));
    assert_eq!(report["node"], misc.node);
    let (readers, writers) = (&report["readers"], &report["writers"]);
    assert!(number(&readers["operations"]) > 0, "{name}: {report}");
    assert!(number(&writers["operations"]) > 0, "{name}: {report}");
    for side in [readers, writers] {
        let rate = side["operations_per_second"].as_f64().unwrap();
        let counted = rate * report["seconds"].as_f64().unwrap();
        let operations = number(&side["operations"]) as f64;
        assert!((counted - operations).abs() < 0.001, "{name}: {report}");
        assert_eq!(number(&side["threads"]), 4);
    }
    // Beside what the threads do there is the first message, of the shortest length there is, and
    // a look at the last one.
    let stats = misc.stats();
    assert_eq!(
        stats.generation - before,
        number(&writers["operations"]) + 1,
        "{name}"
    );
    assert_eq!(
        stats.bytes_written,
        number(&writers["bytes"]) + 28,
        "{name}"
    );
    assert_eq!(
        stats.bytes_read,
        number(&readers["bytes"]) + stats.length,
        "{name}"
    );
    assert_eq!(stats.errors, 0, "{name}");
    until("all old messages are freed", || misc.stats().messages == 1);
}

#[test]
fn hammer_finds_nothing_wrong_and_counts_as_the_module_does() {
    for_each(&[], |misc| hammer_and_module_agree(&misc));
}

#[test]
fn hammer_finds_nothing_wrong_when_rcu_frees_later() {
    hammer_and_module_agree(&Family::load("misc_rcu", &["deferred=1"]));
}

#[test]
fn hammer_tells_people_a_line_for_each_side() {
    for_each(&[], |misc| {
        for (readers, writers) in [("1", "0"), ("0", "1")] {
            let table = text(&misc.writes(&[
                "hammer",
                "--readers",
                readers,
                "--writers",
                writers,
                "--seconds",
                "0.1",
            ]));
            let first_words: Vec<&str> = table
                .lines()
                .map(|line| line.split_whitespace().next().unwrap())
                .collect();
            assert_eq!(
                first_words,
                ["threads", "readers", "writers", "0"],
                "{table}"
            );
            // The time is not looked at: a guest's may be a slow one.
            assert!(
                table.contains("\n0 torn and 0 stale messages in "),
                "{table}"
            );
        }
    });
}

#[test]
fn hammer_has_as_many_threads_as_its_range_allows_or_says_before_the_work_that_it_may_not() {
    let misc = Family::load("misc_mutex", &[]);
    let most = [
        "hammer",
        "--readers",
        "1000",
        "--writers",
        "1000",
        "--seconds",
        "0.5",
    ];
    // Fewer files than that, if root does not raise the limit.
    let mut shell = std::process::Command::new("sh");
    shell.args([
        "-c",
        "ulimit -n 1024; exec misc \"$@\"",
        "sh",
        "--node",
        &misc.node,
    ]);
    let output = shell.args(most).output().unwrap();
    if output.status.code() == Some(0) {
        let table = text(&misc.wrote(output, &most));
        let readers = table.lines().find(|line| line.starts_with("readers "));
        let threads = readers.and_then(|line| line.split_whitespace().nth(1));
        assert_eq!(threads, Some("1000"), "{table}");
    } else {
        // In little memory, a kernel does not allow so many threads.
        let told = text(&output.stderr);
        assert!(told.starts_with("misc: cannot start thread "), "{told}");
        assert!(
            told.contains(" of 2000; ask for fewer readers and writers: "),
            "{told}"
        );
        assert_eq!(
            (output.status.code(), told.lines().count()),
            (Some(3), 1),
            "{told}"
        );
        assert_eq!(misc.stats().generation, 0, "nothing was written");
    }
}

#[test]
fn hammer_says_before_the_work_what_it_may_not_have() {
    let misc = Family::load("misc_mutex", &["mode=0666"]);
    for (limit, complaint) in [
        (
            "ulimit -n 32",
            "misc: 116 open files are needed, and 32 are allowed; ask for fewer readers and \
             writers, or raise the limit (ulimit -Hn): ",
        ),
        ("ulimit -u 20", "misc: cannot start thread "),
    ] {
        let mut shell = std::process::Command::new("sh");
        shell.arg("-c").arg(format!("{limit}; exec misc \"$@\""));
        shell.args([
            "sh",
            "--node",
            &misc.node,
            "hammer",
            "--readers",
            "50",
            "--writers",
            "50",
        ]);
        let output = shell.uid(65534).gid(65534).output().unwrap();
        let told = text(&output.stderr);
        assert!(told.starts_with(complaint), "{told}");
        assert_eq!(
            (output.status.code(), told.lines().count()),
            (Some(3), 1),
            "{told}"
        );
        assert_eq!(misc.stats().generation, 0, "{limit}: nothing was written");
    }
}

#[test]
fn hammer_tells_of_messages_that_are_not_its_own() {
    for_each(&[], |misc| {
        let arguments = ["hammer", "--writers", "0", "--seconds", "60"];
        let child = misc.command(&arguments).spawn().unwrap();
        until("hammer writes its first message", || {
            misc.stats().generation == 1
        });
        // Nobody replaces it: if no reader sees it, the look at the last message does.
        fs::write(&misc.node, b"Hello, world!\n").unwrap();
        kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
        let output = child.wait_with_output().unwrap();
        let (told, report) = (text(&output.stderr), text(&output.stdout));
        assert_eq!(output.status.code(), Some(1), "{}: {told}", misc.name);
        let complaint = told.lines().next().unwrap_or_default();
        assert!(
            complaint.starts_with(&format!("misc: {}: ", misc.node)),
            "{told}"
        );
        assert!(
            complaint.ends_with(
                " messages: torn: it does not begin as hammer's do; does another program write to \
                 the node?; the 14 bytes are 48 65 6c 6c 6f 2c 20 77 6f 72 6c 64 21 0a"
            ),
            "{told}"
        );
        assert!(!report.contains("\n0 torn"), "{report}");
    });
}

#[test]
fn a_signal_ends_hammer_with_its_report() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        for_each(&[], |misc| {
            let child = misc.hammer_at_work();
            kill(Pid::from_raw(child.id() as i32), signal).unwrap();
            let report = text(&misc.wrote(child.wait_with_output().unwrap(), &["hammer"]));
            assert!(
                report.contains("\n0 torn and 0 stale messages in "),
                "{report}"
            );
            assert_eq!(misc.module.references(), 0, "{}", misc.name);
        });
    }
}

#[test]
fn a_closed_output_ends_hammer_quietly() {
    for_each(&[], |misc| {
        let mut child = misc.hammer_at_work();
        drop(child.stdout.take());
        misc.wrote(child.wait_with_output().unwrap(), &["hammer"]);
    });
}

#[test]
fn an_output_that_is_full_is_an_error() {
    for_each(&[], |misc| {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = misc.command(&["get"]).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", misc.name);
        assert_eq!(
            text(&output.stderr),
            "misc: standard output: cannot write: ENOSPC: No space left on device\n"
        );
    });
}

#[test]
fn a_stranger_may_do_what_the_mode_says() {
    for_each(&["mode=0444", "initmsg=public"], |misc| {
        let stranger = |args: &[&str]| {
            let mut command = misc.command(args);
            command.uid(65534).gid(65534).output().unwrap()
        };
        assert_eq!(misc.wrote(stranger(&["get"]), &["get"]), b"public");
        for args in [
            &["set", "text"][..],
            &["stats", "--reset"],
            &["hammer", "--seconds", "0.1"],
        ] {
            let complaint = misc.failed(stranger(args), args);
            assert_eq!(
                complaint,
                "permission denied; the node is root's, so try as root\n"
            );
        }
        assert_eq!(misc.writes(&["get"]), b"public");
    });
}

#[test]
fn a_missing_node_is_an_error_that_asks_for_its_module() {
    for_each(&[], |mut misc| {
        misc.module.remove().expect("does not unload");
        for args in [&["get"][..], &["set", "text"], &["stats"], &["hammer"]] {
            assert_eq!(
                misc.fails(args),
                format!("not there; is {}.ko loaded?\n", misc.name)
            );
        }
    });
}

#[test]
fn a_node_of_another_kind_is_an_error() {
    for args in [&["get"][..], &["set", "text"], &["stats"], &["hammer"]] {
        let output = MISC.run(&[&["--node", "/dev/null"], args].concat());
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        assert_eq!(
            text(&output.stderr),
            "misc: /dev/null: has no statistics; is it a misc node?\n"
        );
    }
}
