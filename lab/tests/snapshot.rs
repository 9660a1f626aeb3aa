//! What `lab runner` promises of guests that go on from where another has booted: they are as those
//! that boot, and a state that is of no use is no error. Real guests of the lab's plain tree, or
//! RLKM_KDIR.

#[path = "busybox/mod.rs"]
mod busybox;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A cache of its own, in which there is no state yet.
struct Cache {
    dir: tempfile::TempDir,
    kdir: String,
}

impl Cache {
    fn new() -> Cache {
        let dir = tempfile::tempdir().unwrap();
        busybox::program(dir.path());
        let given = std::env::var("RLKM_KDIR")
            .ok()
            .filter(|kdir| !kdir.is_empty());
        let kdir = given.unwrap_or_else(|| {
            let lab = Command::new(env!("CARGO_BIN_EXE_lab"))
                .args(["tree", "--arch", "arm64", "--print", "kdir"])
                .output()
                .unwrap();
            String::from_utf8(lab.stdout).unwrap().trim().to_owned()
        });
        Cache { dir, kdir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn lab(&self, options: &[&str], script: &str) -> Command {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        lab.arg("runner")
            .args(options)
            .arg(self.path("busybox-of-a-test"))
            .args(["sh", "-c", script])
            .env("RLKM_KDIR", &self.kdir)
            .env("RLKM_BUSYBOX", busybox::path())
            .env("XDG_CACHE_HOME", self.dir.path())
            // Neither programs nor modules, of whichever kernel.
            .env("CARGO_TARGET_DIR", self.dir.path())
            .env("RLKM_BUILD", self.dir.path())
            .env("RLKM_SNAPSHOT", "always")
            .stdin(Stdio::null());
        lab
    }

    #[track_caller]
    fn run(&self, options: &[&str], script: &str) -> Output {
        self.lab(options, script).output().unwrap()
    }

    /// What the script prints, which ends well; the lab says at most `lines`.
    #[track_caller]
    fn prints(&self, options: &[&str], script: &str, lines: usize) -> String {
        let output = self.run(options, script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.lines().count() <= lines, "{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The states that there are.
    fn states(&self) -> Vec<PathBuf> {
        match fs::read_dir(self.path("rlkm/state")) {
            Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
            Err(_) => Vec::new(),
        }
    }

    /// The only one.
    #[track_caller]
    fn state(&self) -> PathBuf {
        let mut states = self.states();
        assert_eq!(states.len(), 1, "{states:?}");
        states.remove(0)
    }
}

/// When the state was written.
fn written(state: &Path) -> std::time::SystemTime {
    fs::metadata(state.join("qemu"))
        .unwrap()
        .modified()
        .unwrap()
}

const RANDOM: &str = "cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; \
                      head -c 16 /dev/urandom | od -An -tx1; head -c 16 /dev/random | od -An -tx1";

#[test]
fn what_is_random_in_one_guest_is_not_in_another_of_its_state() {
    let cache = Cache::new();
    let mut seen = BTreeSet::new();
    for run in 1..=4 {
        seen.extend(cache.prints(&[], RANDOM, 0).lines().map(str::to_owned));
        assert_eq!(seen.len(), 4 * run, "{seen:?}");
        cache.state();
    }
}

#[test]
fn the_log_of_the_boot_is_that_of_each_guest() {
    let cache = Cache::new();
    for _ in 0..2 {
        let log = cache.prints(&[], "dmesg", 0);
        assert!(log.contains("Booting Linux"), "{log}");
        assert!(log.contains("Run /init as init process"), "{log}");
        // Of the clock, which has not jumped, too.
        for complaint in ["stall", "unstable", "WARNING", "BUG", "lockup"] {
            assert!(!log.contains(complaint), "{log}");
        }
        let output = cache.run(&[], "echo c >/proc/sysrq-trigger");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(122), "{said}");
        for part in [
            "Run /init",
            "Kernel panic - not syncing: sysrq",
            "/rlkm/run/",
        ] {
            assert!(said.contains(part), "no {part:?} in {said}");
        }
    }
}

#[test]
fn time_goes_on_as_it_does_for_others() {
    let cache = Cache::new();
    let script = "cat /proc/uptime; sleep 2; cat /proc/uptime";
    cache.prints(&[], script, 0);
    // The state is that much older.
    std::thread::sleep(Duration::from_secs(3));
    let text = cache.prints(&[], script, 0);
    let times: Vec<f64> = text
        .lines()
        .map(|line| line.split(' ').next().unwrap().parse().unwrap())
        .collect();
    let slept = times[1] - times[0];
    assert!((1.9..20.0).contains(&slept), "{text}");
}

#[test]
fn statuses_streams_and_limits_are_as_in_a_guest_that_boots() {
    let cache = Cache::new();
    for options in [&[][..], &[], &["--snapshot=never"]] {
        for (script, status) in [
            ("exit 7", 7),
            ("kill -TERM $$", 143),
            ("no-such-program", 127),
        ] {
            assert_eq!(cache.run(options, script).status.code(), Some(status));
        }
        let output = cache.run(options, "echo out; echo err >&2; echo kmsg >/dev/kmsg");
        assert_eq!(output.stdout, b"out\n");
        assert_eq!(output.stderr, b"err\n");
        let mut lab = cache.lab(options, "wc -c; nproc; echo \"$RLKM_WORD\"; ls /lab");
        lab.env("RLKM_WORD", "a 'b'").stdin(Stdio::piped());
        let mut child = lab.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&vec![b'x'; 1_000_000]).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text, "1000000\n2\na 'b'\ncommand\nend\n");
        let limited = [options, &["--timeout", "8"]].concat();
        let output = cache.run(&limited, "sleep 1000");
        assert_eq!(output.status.code(), Some(124));
        let mut lab = cache.lab(options, "yes");
        let mut child = lab.stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(141));
    }
    cache.state();
}

#[test]
fn each_machine_has_a_state_of_its_own() {
    let cache = Cache::new();
    let script = "nproc; cat /proc/cmdline; grep MemTotal /proc/meminfo";
    let mut seen = BTreeSet::new();
    for options in [
        &["--cpus", "1"][..],
        &["--cpus", "3"],
        &["--cpus", "3", "--memory", "128M"],
        &["--cpus", "3", "--append", "lab_was=here"],
    ] {
        let first = cache.prints(options, script, 0);
        assert_eq!(cache.prints(options, script, 0), first);
        assert_eq!(
            cache.prints(&[&["--snapshot=never"], options].concat(), script, 0),
            first
        );
        seen.insert(first);
    }
    assert_eq!((seen.len(), cache.states().len()), (4, 4));
}

#[test]
fn a_state_that_is_damaged_or_does_not_load_is_made_anew() {
    let cache = Cache::new();
    cache.prints(&[], "true", 0);
    let state = cache.state();
    let open = |name: &str| {
        let file = OpenOptions::new().write(true).open(state.join(name));
        file.unwrap()
    };
    // What its sums tell is not even said.
    let size = fs::metadata(state.join("qemu")).unwrap().len();
    for (number, lines) in [(0, 0), (1, 0), (2, 0), (3, 0), (4, 1), (5, 1)] {
        let before = written(&state);
        match number {
            0 => open("qemu").set_len(size / 2).unwrap(),
            1 => open("qemu").write_all_at(&[0xff; 4096], size / 2).unwrap(),
            2 => fs::remove_file(state.join("qemu")).unwrap(),
            3 => fs::write(state.join("sums"), "").unwrap(),
            // Sums that fit, of what is no state, and of half a state.
            4 => {
                fs::write(state.join("qemu"), "no state").unwrap();
                fs::write(state.join("sums"), sums(&state)).unwrap();
            }
            _ => {
                open("qemu").set_len(size / 2).unwrap();
                fs::write(state.join("sums"), sums(&state)).unwrap();
            }
        }
        assert_eq!(cache.prints(&[], "echo fine", lines), "fine\n", "{number}");
        assert_ne!(written(&cache.state()), before, "{number}");
        let again = written(&state);
        assert_eq!(cache.prints(&[], "echo fine", 0), "fine\n", "{number}");
        assert_eq!(written(&state), again, "{number}");
    }
}

/// As the lab writes them.
fn sums(state: &Path) -> String {
    let sum = |name: &str| {
        let contents = fs::read(state.join(name)).unwrap();
        format!("{} {:08x}\n", contents.len(), crc32fast::hash(&contents))
    };
    sum("qemu") + &sum("console.log")
}

#[test]
fn a_state_that_cannot_be_kept_is_one_line_and_the_guest_boots() {
    let cache = Cache::new();
    fs::create_dir_all(cache.path("rlkm")).unwrap();
    fs::write(cache.path("rlkm/state"), "").unwrap();
    assert_eq!(cache.prints(&[], "echo fine", 1), "fine\n");
}

#[test]
fn a_lab_that_was_killed_while_it_made_a_state_leaves_none() {
    let cache = Cache::new();
    let is_begun = || {
        cache
            .states()
            .iter()
            .any(|state| state.join("console.log").exists())
    };
    let mut child = cache.lab(&[], "true").spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_begun() {
        assert!(Instant::now() < deadline, "no state is made");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(cache.state().to_str().unwrap().ends_with(".new"));
    assert_eq!(cache.prints(&[], "echo fine", 0), "fine\n");
    assert!(!cache.state().to_str().unwrap().ends_with(".new"));
}

#[test]
fn labs_side_by_side_make_one_state_and_all_go_on() {
    let cache = Cache::new();
    for _ in 0..2 {
        let spawn = |number| {
            let mut lab = cache.lab(&[], &format!("seq {number}000; exit {number}"));
            lab.stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let children: [Child; 3] = [1, 2, 3].map(spawn);
        for (child, number) in children.into_iter().zip(1..) {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(number), "{said}");
            assert_eq!(
                output.stdout.split(|&b| b == b'\n').count(),
                1000 * number as usize + 1
            );
        }
        cache.state();
    }
}

#[test]
fn who_wants_a_boot_gets_one() {
    let cache = Cache::new();
    cache.prints(&["--snapshot=never"], "true", 0);
    cache.prints(&["--icount"], "true", 0);
    // A kernel whose boot is short has one by itself.
    for value in ["never", "auto", ""] {
        let mut lab = cache.lab(&[], "true");
        assert!(lab.env("RLKM_SNAPSHOT", value).status().unwrap().success());
    }
    let qmp = cache.path("qmp");
    let listener = std::os::unix::net::UnixListener::bind(&qmp).unwrap();
    cache.prints(&["--qmp", qmp.to_str().unwrap()], "true", 0);
    drop(listener);
    assert_eq!(cache.states(), [] as [PathBuf; 0]);
    cache.prints(&[], "true", 0);
    cache.state();
}
