//! Runs that live side by side, and what others can do with them: list, watch, enter, end. The guests
//! are real ones, of what the lab boots by default.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Where these runs are, and no others.
struct Cache(tempfile::TempDir);

impl Cache {
    /// The kernel and busybox are those of the cache of all.
    fn new() -> Cache {
        let dir = tempfile::tempdir().unwrap();
        let of_all = std::env::var_os("XDG_CACHE_HOME").map(Into::into);
        let home = || Path::new(&std::env::var_os("HOME").unwrap()).join(".cache");
        let of_all: std::path::PathBuf = of_all.unwrap_or_else(home).join("rlkm");
        let mine = dir.path().join("rlkm");
        fs::create_dir(&mine).unwrap();
        for entry in fs::read_dir(of_all).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap();
            if name != "run" {
                std::os::unix::fs::symlink(&path, mine.join(name)).unwrap();
            }
        }
        Cache(dir)
    }

    fn lab(&self, args: &[&str]) -> Command {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        lab.args(args)
            .env("RLKM_ARCH", "arm64")
            .env("XDG_CACHE_HOME", self.0.path())
            .stdin(Stdio::null());
        lab
    }

    fn output(&self, args: &[&str]) -> Output {
        self.lab(args).output().unwrap()
    }

    /// What it prints, having nothing to complain of.
    #[track_caller]
    fn prints(&self, args: &[&str]) -> String {
        let output = self.output(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "{args:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refuses(&self, args: &[&str], parts: &[&str]) {
        let output = self.output(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), said.lines().count()),
            (Some(120), 1),
            "{said}"
        );
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }

    /// A run whose command is up.
    fn run(&self, options: &[&str], command: &str) -> Live {
        let command = format!("echo up; {command}");
        let args = [&["run"], options, &["--", "sh", "-c", &command]].concat();
        let mut child = self.lab(&args).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        Live(child)
    }

    fn runs(&self) -> Vec<Value> {
        let text = self.prints(&["runs", "--json"]);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn ids(&self) -> Vec<String> {
        let runs = self.runs();
        runs.iter()
            .map(|run| run["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

struct Live(Child);

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until it is so.
#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn qemus(cache: &Cache) -> usize {
    let word = cache.0.path().to_str().unwrap().to_owned();
    let lines = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok());
    lines
        .filter(|line| line.starts_with(b"qemu") && String::from_utf8_lossy(line).contains(&word))
        .count()
}

#[test]
fn runs_that_live_are_listed_watched_entered_and_ended() {
    let cache = Cache::new();
    assert_eq!(cache.prints(&["runs"]).lines().count(), 1);
    cache.refuses(&["stop", "a"], &["no run a"]);

    let mut named = cache.run(&["--run-id", "a"], "sleep 1000 # 'x'");
    let mut first = cache.run(&[], "read -r _ </tmp; sleep 1000");
    let second = cache.run(&[], "sleep 1000");
    assert_eq!(cache.ids().len(), 3);
    let runs = cache.runs();
    let of = |id: &str| runs.iter().find(|run| run["id"] == id).unwrap();
    assert_eq!(of("a")["pid"], named.0.id());
    assert_eq!(of("1")["pid"], first.0.id());
    assert_eq!(of("2")["pid"], second.0.id());
    let text = cache.prints(&["runs"]);
    for part in [
        "sleep 1000 # ",
        "0:00:0",
        "/rlkm/run/a/console.sock",
        "/rlkm/run/2/console.log",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }

    // Two of one id are not.
    let again = ["run", "--run-id", "a", "--", "true"];
    let pid = named.0.id().to_string();
    cache.refuses(&again, &["run a already", &pid, "lab stop"]);
    cache.refuses(&["attach", "b"], &["no run b", "a, 1, 2"]);

    // What one says on its console, while it lives and to its end.
    let mut attached = cache
        .lab(&["attach", "a"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(attached.stdout.take().unwrap());
    let until = |said: &mut BufReader<std::process::ChildStdout>, word: &str| {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "no {word}");
        }
    };
    until(&mut said, "Linux version");

    // A shell beside its command.
    let mut console = cache
        .lab(&["console", "a"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut typed = console.stdin.take().unwrap();
    typed
        .write_all(b"\necho $((6 * 7))-here; echo late >/dev/kmsg\n")
        .unwrap();
    let mut shown = BufReader::new(console.stdout.take().unwrap());
    until(&mut shown, "42-here");
    // Ctrl-C is for what runs there.
    typed.write_all(b"sleep 1000\n").unwrap();
    until(&mut shown, "sleep 1000");
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in shown.lines() {
            let _over = tell.send(line);
        }
    });
    eventually("the sleep goes on", || {
        typed.write_all(b"\x03echo $((6 * 7))-again\n").unwrap();
        let said = std::iter::from_fn(|| told.recv_timeout(Duration::from_secs(1)).ok());
        said.flatten().any(|line| line.contains("42-again"))
    });
    cache.refuses(
        &["console", "a"],
        &["somebody has the console", "lab attach a"],
    );
    until(&mut said, "late");

    // Its end is that of whoever looks on; the others go on.
    assert_eq!(cache.prints(&["stop", "a"]), "");
    assert_eq!(qemus(&cache), 2);
    assert!(!named.0.wait().unwrap().success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(attached.wait().unwrap().code(), Some(0));
    assert_eq!(console.wait().unwrap().code(), Some(0));
    assert_eq!(cache.ids(), ["1", "2"]);

    // Whoever is killed leaves no ghost.
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    eventually("a killed run is listed", || cache.ids() == ["2"]);
    assert_eq!(qemus(&cache), 1);
}

#[test]
fn a_runs_folder_says_how_to_repeat_it() {
    let cache = Cache::new();
    let args = ["run", "--run-id", "it's", "--", "true"];
    cache.refuses(&args, &["--run-id"]);
    let args = [
        "run",
        "--run-id",
        "a",
        "--env",
        "X=a 'b'",
        "--",
        "sh",
        "-c",
        "echo \"$X\"; exit 7",
    ];
    let first = cache.output(&args);
    assert_eq!(
        (first.status.code(), &*first.stdout),
        (Some(7), &b"a 'b'\n"[..])
    );
    assert!(cache.ids().is_empty());
    let script = cache.0.path().join("rlkm/run/a/repeat.sh");
    let mut shell = Command::new("env");
    shell
        .args(["-i", "sh"])
        .arg(script)
        .current_dir("/")
        .stdin(Stdio::null());
    assert_eq!(shell.output().unwrap(), first);
}
