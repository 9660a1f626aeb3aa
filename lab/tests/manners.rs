//! How the lab behaves where no guest is needed: whoever listens, whatever it is given, and whatever
//! becomes of the terminal. A script stands for QEMU.

mod program;

use nix::pty::openpty;
use nix::sys::signal::{kill, Signal};
use nix::sys::termios::{tcgetattr, LocalFlags};
use nix::unistd::Pid;
use program::write_program;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::io::{AsRawFd, FromRawFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// A checkout, a kernel tree and a QEMU that are none, and a cache of their own.
struct Fake {
    dir: tempfile::TempDir,
}

impl Fake {
    fn new(qemu: &str) -> Fake {
        let fake = Fake {
            dir: tempfile::tempdir().unwrap(),
        };
        for name in [
            "checkout/.config.fragment",
            "kdir/.config",
            "kdir/arch/arm64/boot/Image",
        ] {
            let path = fake.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        write_program(&fake.path("bin/qemu-system-aarch64"), qemu);
        fake
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The lab, none of whose variables are set but those that keep it here.
    fn lab(&self, args: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        for (name, _) in std::env::vars_os() {
            if name.as_bytes().starts_with(b"RLKM_") {
                lab.env_remove(name);
            }
        }
        lab.args(args)
            .current_dir(self.path("checkout"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("CARGO_TARGET_DIR", self.path("target"))
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("RLKM_BUSYBOX", "/bin/true")
            .env("RLKM_KDIR", "../kdir")
            .stdin(Stdio::null());
        lab
    }

    /// `lab run` with these options.
    fn run(&self, options: &[&str]) -> Output {
        let args = [&["run"], options, &["--", "true"]].concat();
        self.lab(&args).output().unwrap()
    }
}

fn dry_run() -> [&'static str; 4] {
    ["run", "--dry-run", "--", "true"]
}

#[track_caller]
fn assert_refused(output: &Output, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(120), "{said}");
    assert_eq!(
        (said.lines().count(), output.stdout.len()),
        (1, 0),
        "{said}"
    );
    for part in parts {
        assert!(said.contains(part), "no {part:?} in: {said}");
    }
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// A pipe that nobody reads.
fn unread() -> Stdio {
    let (read, write) = nix::unistd::pipe().unwrap();
    nix::unistd::close(read).unwrap();
    // SAFETY: it was opened just now, and nobody else knows it.
    unsafe { Stdio::from_raw_fd(write) }
}

#[test]
fn the_status_of_what_prints_tells_whether_it_could() {
    let fake = Fake::new("#!/bin/sh\n");
    for args in [
        &["--help"][..],
        &["--version"],
        &["run", "--help"],
        &["tree", "-h"],
        &["suites", "--table"],
        &dry_run(),
    ] {
        let status = |stdout: Stdio, stderr: Stdio| {
            let status = fake
                .lab(args)
                .stdout(stdout)
                .stderr(stderr)
                .status()
                .unwrap();
            status.code()
        };
        assert_eq!(status(Stdio::null(), unread()), Some(0), "{args:?}");
        assert_eq!(status(full().into(), Stdio::null()), Some(120), "{args:?}");
        assert_eq!(status(full().into(), full().into()), Some(120), "{args:?}");
        assert_eq!(status(unread(), Stdio::null()), Some(141), "{args:?}");
        assert_eq!(status(unread(), unread()), Some(141), "{args:?}");
        // One that is open, and cannot be written.
        let input = File::open("/dev/null").unwrap();
        assert_eq!(status(input.into(), Stdio::null()), Some(120), "{args:?}");
    }
}

#[test]
fn an_error_has_its_status_where_nobody_hears_of_it() {
    let fake = Fake::new("#!/bin/sh\n");
    for (args, expected) in [
        (&["run", "--image", "/nonexistent", "--", "true"][..], 120),
        (&["run", "--no-such-option"], 120),
        (&["no-such-verb"], 120),
        (&[], 120),
        (&["run", "--verbose", "--", "true"], 121),
        (&["shell"], 120),
    ] {
        for stderr in [full().into(), unread()] {
            let status = fake.lab(args).stdout(full()).stderr(stderr).status();
            assert_eq!(status.unwrap().code(), Some(expected), "{args:?}");
        }
        for closed in [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
            let lab = fake.lab(args);
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("exec \"$0\" \"$@\" {closed}"));
            shell.arg(lab.get_program()).args(lab.get_args());
            for (name, value) in lab.get_envs() {
                match value {
                    Some(value) => shell.env(name, value),
                    None => shell.env_remove(name),
                };
            }
            shell.current_dir(fake.path("checkout"));
            let output = shell.stdin(Stdio::null()).output().unwrap();
            assert_eq!(output.status.code(), Some(expected), "{args:?} {closed}");
        }
    }
}

#[test]
fn a_time_limit_may_be_any_number() {
    let fake = Fake::new("#!/bin/sh\n");
    for limit in [
        "1",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
    ] {
        let output = fake.run(&["--timeout", limit]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(121), "{limit}: {said}");
    }
}

#[test]
fn what_is_no_number_is_refused_in_one_line() {
    let fake = Fake::new("#!/bin/sh\n");
    for (option, values) in [
        (
            "--timeout",
            &["-1", "18446744073709551616", "1.5", "NaN", "", "soon"][..],
        ),
        ("--cpus", &["0", "-1", "4294967296", "NaN", "two", ""]),
        (
            "--memory",
            &[
                "0",
                "-1",
                "M",
                "+5M",
                "1.5G",
                "64X",
                "64MB",
                "16777216T",
                "99999999999999999999",
                "NaN",
                "512M,slots=1",
                "",
            ],
        ),
        ("--accel", &["fast", ""]),
        ("--arch", &["riscv", ""]),
        ("--env", &["no-pair", "=x", "1A=x", "A B=x"]),
    ] {
        for value in values {
            let output = fake.run(&[&format!("{option}={value}")]);
            assert_refused(&output, &["lab: ", option]);
        }
    }
    assert!(!fake.path("cache").exists());
}

#[test]
fn a_variable_that_is_empty_is_as_one_that_is_not_set() {
    let fake = Fake::new("#!/bin/sh\n");
    let names = [
        "ARCH", "KERNEL", "CPUS", "MEMORY", "APPEND", "TIMEOUT", "IMAGE", "ACCEL", "ANYTHING",
    ];
    let line = |lab: &mut Command| {
        let output = lab.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        let words = shlex::split(&String::from_utf8(output.stdout).unwrap()).unwrap();
        // The run's folder, and its descriptors, of which another test's program may have some.
        let of_a_run = |word: &String| word.contains("/run/") || word.contains(",fd=");
        words
            .into_iter()
            .filter(|word| !of_a_run(word))
            .collect::<Vec<String>>()
    };
    let mut empty = fake.lab(&dry_run());
    empty.envs(names.map(|name| (format!("RLKM_{name}"), "")));
    assert_eq!(line(&mut empty), line(&mut fake.lab(&dry_run())));
    // Nor is there a tree where the checkout has no patches, or a busybox.
    let output = fake.lab(&dry_run()).env("RLKM_KDIR", "").output().unwrap();
    assert_eq!(output.status.code(), Some(120));
}

#[test]
fn nonsense_in_a_variable_is_one_line_that_names_the_variable() {
    let fake = Fake::new("#!/bin/sh\n");
    let not_utf8 = OsString::from_vec(b"\xff".to_vec());
    for name in ["ARCH", "KERNEL", "CPUS", "MEMORY", "TIMEOUT", "ACCEL"] {
        let name = format!("RLKM_{name}");
        for value in [OsStr::new("nonsense"), &not_utf8] {
            let output = fake.lab(&dry_run()).env(&name, value).output().unwrap();
            assert_refused(&output, &[&name]);
        }
    }
    for name in ["RLKM_KDIR", "RLKM_IMAGE"] {
        let output = fake.lab(&dry_run()).env(name, &not_utf8).output().unwrap();
        assert_refused(&output, &["no kernel image"]);
    }
}

#[test]
fn a_dry_run_leaves_nothing_behind() {
    let fake = Fake::new("#!/bin/sh\ntouch \"$0.ran\"\n");
    let output = fake
        .lab(&dry_run())
        .env("RLKM_BUSYBOX", "")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!fake.path("cache").exists());
    assert!(!fake.path("bin/qemu-system-aarch64.ran").exists());
}

#[test]
fn what_cannot_be_put_into_a_guest_is_refused_before_there_is_a_run() {
    let fake = Fake::new("#!/bin/sh\n");
    fs::create_dir(fake.path("folder")).unwrap();
    fs::write(fake.path("twice"), "").unwrap();
    nix::unistd::mkfifo(&fake.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for program in [
        "../folder",
        "../fifo",
        "../nothing",
        "/dev/zero",
        "/dev/null",
        "..",
        "/",
    ] {
        assert_refused(&fake.run(&["--program", program]), &["lab: ", program]);
        assert_refused(&fake.run(&["--module", program]), &["lab: ", program]);
    }
    let twice = ["--program", "../twice", "--program", "../checkout/../twice"];
    assert_refused(&fake.run(&twice), &["already has a /bin/twice"]);
    assert_refused(&fake.run(&["--kdir", "../folder"]), &["../folder"]);
    assert_refused(&fake.run(&["--image", "../folder"]), &["../folder"]);
    let long = "x".repeat(2048);
    assert_refused(&fake.run(&["--append", &long]), &["--append", "2047"]);
    assert_refused(&fake.run(&["--qmp", &long]), &["--qmp", "107"]);
    assert!(!fake.path("cache").exists());
}

#[test]
fn a_run_that_cannot_begin_leaves_no_folder() {
    let fake = Fake::new("#!/nonexistent\n");
    let mut lab = fake.lab(&["run", "--", "true"]);
    // Where no other QEMU is.
    let output = lab.env("PATH", fake.path("bin")).output().unwrap();
    assert_refused(&output, &["cannot run qemu-system-aarch64"]);
    assert_eq!(
        fs::read_dir(fake.path("cache/rlkm/run")).unwrap().count(),
        0
    );
}

#[test]
fn stdin_that_is_not_to_be_read_is_not_read() {
    let fake = Fake::new("#!/bin/sh\nexec sleep 1\n");
    for (option, expected) in [("-n", 0), ("--no-stdin", 0), ("--verbose", 4)] {
        let mut list = tempfile::tempfile().unwrap();
        list.write_all(b"a\nb\n").unwrap();
        list.seek(SeekFrom::Start(0)).unwrap();
        let mut lab = fake.lab(&["run", option, "--", "true"]);
        let status = lab
            .stdin(list.try_clone().unwrap())
            .stderr(Stdio::null())
            .status();
        assert_eq!(status.unwrap().code(), Some(121));
        assert_eq!(list.stream_position().unwrap(), expected, "{option}");
    }
}

/// A shell on a terminal, whose QEMU has made that raw, says so, and does then `what`.
struct Shell {
    fake: Fake,
    lab: Child,
    master: File,
    slave: File,
}

impl Shell {
    fn new(options: &[&str], what: &str) -> Shell {
        let qemu =
            format!("#!/bin/sh\necho $$ >\"$0.pid\"\nstty raw -echo <&0\necho raw\n{what}\n");
        let fake = Fake::new(&qemu);
        let terminal = openpty(None, None).unwrap();
        // SAFETY: both were opened just now, and nobody else knows them.
        let (mut master, slave) = unsafe {
            (
                File::from_raw_fd(terminal.master),
                File::from_raw_fd(terminal.slave),
            )
        };
        let lab = fake
            .lab(&[&["shell"], options].concat())
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave.try_clone().unwrap())
            .spawn()
            .unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"raw\n") && !said.ends_with(b"raw\r\n") {
            let mut byte = [0];
            master.read_exact(&mut byte).unwrap();
            said.extend(byte);
        }
        Shell {
            fake,
            lab,
            master,
            slave,
        }
    }

    fn is_raw(&self) -> bool {
        let flags = tcgetattr(self.slave.as_raw_fd()).unwrap().local_flags;
        !flags.contains(LocalFlags::ICANON)
    }

    fn qemu(&self) -> Pid {
        let path = self.fake.path("bin/qemu-system-aarch64.pid");
        Pid::from_raw(fs::read_to_string(path).unwrap().trim().parse().unwrap())
    }

    /// Its status, or the signal that ended it as a shell tells it; the terminal is as it was then,
    /// and QEMU is gone.
    #[track_caller]
    fn ends(mut self) -> i32 {
        // What is written to a terminal has to be read, or restoring it waits.
        let mut master = self.master.try_clone().unwrap();
        std::thread::spawn(move || std::io::copy(&mut master, &mut std::io::sink()));
        let status = self.lab.wait().unwrap();
        assert!(!self.is_raw());
        assert_eq!(kill(self.qemu(), None), Err(nix::errno::Errno::ESRCH));
        let status = status.code().or_else(|| Some(128 + status.signal()?));
        status.unwrap()
    }
}

#[test]
fn a_shells_terminal_is_restored_however_it_ends() {
    // By itself, well or not.
    assert_eq!(Shell::new(&[], "exit 0").ends(), 0);
    assert_eq!(Shell::new(&[], "exit 1").ends(), 122);
    for signal in [
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
    ] {
        let shell = Shell::new(&[], "exec sleep 1000");
        assert!(shell.is_raw());
        kill(Pid::from_raw(shell.lab.id() as i32), signal).unwrap();
        assert_eq!(shell.ends(), 128 + signal as i32);
    }
    let shell = Shell::new(&[], "exec sleep 1000");
    kill(shell.qemu(), Signal::SIGKILL).unwrap();
    assert_eq!(shell.ends(), 122);
    assert_eq!(
        Shell::new(&["--timeout", "1"], "exec sleep 1000").ends(),
        124
    );
    // Also one that does not end when it is told to.
    let stubborn = "trap '' TERM; while :; do sleep 1; done";
    assert_eq!(Shell::new(&["--timeout", "1"], stubborn).ends(), 124);
}

#[test]
fn a_shells_time_limit_may_be_any_number() {
    for limit in ["0", "18446744073709551615"] {
        let status = Shell::new(&["--timeout", limit], "exit 0").ends();
        assert_eq!(status, 0);
    }
}

#[test]
fn cargos_runner_has_the_labs_status_whoever_listens() {
    let dir = tempfile::tempdir().unwrap();
    let status = |stderr: Stdio| {
        let mut runner = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.cargo/runner"));
        runner.arg("program").env("CARGO_TARGET_DIR", dir.path());
        runner.stderr(stderr).status().unwrap().code()
    };
    for stderr in [Stdio::null(), full().into()] {
        assert_eq!(status(stderr), Some(120));
    }
}
