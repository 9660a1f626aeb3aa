//! `lab gdb`, with a real gdb and real guests of the tree in RLKM_KDIR, which `make VARIANT=trace` has
//! made, as it has the modules and programs.

use nix::fcntl::{fcntl, FcntlArg, FdFlag};
use nix::poll::{poll, PollFd, PollFlags};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::io::{AsRawFd, FromRawFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn kdir() -> PathBuf {
    let kdir = std::env::var_os("RLKM_KDIR").filter(|kdir| !kdir.is_empty());
    kdir.expect("RLKM_KDIR is not set; `make trace-tests VARIANT=trace` does")
        .into()
}

fn gdb(options: &[&str]) -> Command {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.env("RLKM_ARCH", "arm64").arg("gdb");
    lab.arg("--kdir").arg(kdir()).args(options);
    lab
}

/// What gdb and the guest's command print while gdb runs `commands`, and how that ends.
fn batch(options: &[&str], commands: &str, script: &str) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("commands.gdb");
    fs::write(&file, commands).unwrap();
    let output = gdb(&["--batch"])
        .arg(file)
        .args(options)
        .args(["--", "sh", "-c", script])
        .output()
        .unwrap();
    (output.status.code(), all(&output))
}

fn all(output: &Output) -> String {
    let bytes = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[track_caller]
fn assert_has(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => panic!("no {part:?}, or not there, in:\n{text}"),
        }
    }
}

/// The line of the sources that has this text, as gdb names it.
fn place(file: &str, text: &str) -> String {
    let source = fs::read_to_string(Path::new("..").join(file)).unwrap();
    let mut lines = source.lines().zip(1..);
    let (_, n) = lines.find(|(line, _)| line.contains(text)).unwrap();
    format!("{file}:{n}")
}

/// The guests that have this word on their kernel's command line.
fn guests(word: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap();
    processes
        .filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok())
        .filter(|line| line.starts_with(b"qemu") && String::from_utf8_lossy(line).contains(word))
        .count()
}

#[test]
fn it_stops_in_a_modules_init_in_a_programs_read_and_in_the_timer() {
    let commands = "\
        backtrace 1\n\
        continue\n\
        backtrace 6\n\
        continue\n\
        continue\n\
        backtrace 1\n\
        print hello::_::__SLOT\n\
        lx-lsmod\n\
        lab-module simrupt\n\
        tbreak simrupt::Reader::read\n\
        continue\n\
        backtrace 3\n\
        lx-cpus\n\
        tbreak simrupt::Handler::tick\n\
        continue\n\
        backtrace\n\
        print $lx_current().pid\n\
        print self.next\n\
        print *self\n\
        print simrupt::_::__SLOT\n\
        lab-timers\n\
        show language\n";
    // A module that is loaded once more is elsewhere, and so are its symbols.
    let script = "insmod /modules/hello.ko who=you && rmmod hello
        insmod /modules/misc_mutex.ko
        insmod /modules/hello.ko who=me
        insmod /modules/simrupt.ko
        dd if=/dev/simrupt bs=1 count=1";
    let (status, text) = batch(&["--stop", "init"], commands, script);
    assert_eq!(status, Some(0), "{text}");
    let at = |file: &str, text: &str| {
        let place = place(file, text);
        format!("/{place}\n")
    };
    assert_has(
        &text,
        &[
            // Each module's own init, in Rust.
            "hello::{impl#0}::init (",
            &at("modules/hello.rs", "let who = "),
            "misc_mutex::{impl#",
            "}::init (",
            "hello::{impl#0}::init (",
            "simrupt::{impl#",
            "}::init (",
            &at("modules/simrupt.rs", "!matches!(module_parameters"),
            "Some(hello::Hello {who: \"me\"})",
            "simrupt ",
            "simrupt: coming, in use 1 times",
            ".text ",
            "#0  simrupt::Reader::read (",
            "lkm::miscdevice::",
            "Online CPUs   : [0, 1]",
            "#0  simrupt::Handler::tick (",
            &at("modules/simrupt.rs", "let start = Instant::now();"),
            "lkm::timer::run<simrupt::Handler> (",
            "expire_timers (",
            " = 32\n",
            " = simrupt::Handler {next: 32, ",
            "Arc(2 references) = {data = lkm::ring::Ring<u8> {",
            "SpinLock(free) = {data = lkm::kfifo::Kfifo<u8> {",
            "SpinLockIrq(free) = {data = uapi::simrupt_stats {ticks: 0, ",
            "readers: WaitQueue(1 wait)",
            "Some(simrupt::Simrupt {",
            "0.000 ms  ",
            "timer  simrupt::Handler\n",
            // The lx- commands have left it as it was.
            "auto; currently rust",
        ],
    );
}

#[test]
fn the_commands_tell_who_waits_who_holds_what_runs_and_what_is_to_come() {
    let commands = "\
         continue\n\
         continue\n\
         set $slot = simrupt::_::__SLOT\n\
         lab-waiters $slot\n\
         lab-mutex $slot\n\
         lab-workers\n\
         lab-timers\n\
         lab-module simrupt\n\
         delete\n\
         tbreak simrupt::Sink::put\n\
         continue\n\
         lab-workers\n\
         lab-timers all\n\
         lab-mutex simrupt\n\
         up\n\
         lab-waiters &self.sink.readers\n\
         echo end\\n\n";
    // The third comes when the two sleep.
    let script = "insmod /modules/simrupt.ko delay_ms=10000
        dd if=/dev/simrupt bs=1 count=1 & reads=$!
        simrupt --count 1 & polls=$!
        until grep -q vfs_read /proc/$reads/stack && grep -q 'simrupt' /proc/$reads/stack; do :; done
        until grep -q do_sys_poll /proc/$polls/stack; do :; done
        echo $$ is here
        exec cat /dev/simrupt";
    let held = place("modules/simrupt.rs", "if pipeline.openers == 0 {");
    let (status, text) = batch(&["--stop", &held], commands, script);
    assert_eq!(status, Some(0), "{text}");
    let third = text.split(" is here").next().unwrap();
    let third = third.rsplit('\n').next().unwrap();
    let holder = format!("  {third}   cat");
    let later = text.split_once(" is here\n").unwrap().1;
    assert_has(
        later,
        &[
            "readers at 0xffffff",
            ": waiting: 2\n",
            "pipeline at 0xffffff",
            ": held by\n",
            &holder,
            "  R  openat  simrupt::{impl#",
            &format!("}}::open, {held}\n"),
            "no work is running or pending",
            "timer  simrupt::Handler\n",
            "simrupt: live, in use 3 times",
            "running  simrupt::Mover  simrupt  ",
            "kworker/u",
            "timer    simrupt::Handler\n",
            "hrtimer  tick_sched_timer\n",
            "pipeline at 0xffffff",
            ": free\n",
            "readers at 0xffffff",
            ": waiting: 3\n",
            "end\n",
        ],
    );
    let waiters = later.split(": waiting: 2\n").nth(1).unwrap();
    let waiters: Vec<&str> = waiters.lines().skip(1).take(2).collect();
    let is_there = |parts: [&str; 4]| {
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        waiters
            .iter()
            .any(|line| words(line)[1..].join(" ") == parts.join(" ").trim())
    };
    assert!(
        is_there(["dd", "S", "read(0, simrupt)", "simrupt::Reader::read"]),
        "{later}"
    );
    assert!(is_there(["simrupt", "S", "ppoll", ""]), "{later}");
}

#[test]
fn a_stop_that_is_not_reached_and_a_command_that_fails_are_its_status() {
    let nowhere = ["--stop", "simrupt::Handler::tock"];
    let (status, text) = batch(&nowhere, "echo reached\\n\n", "echo from the guest");
    assert_eq!(status, Some(1), "{text}");
    let said = "lab: the guest ended, and never came to simrupt::Handler::tock";
    assert!(
        text.contains(said) && text.contains("from the guest"),
        "{text}"
    );
    assert!(!text.contains("reached"), "{text}");

    let (status, text) = batch(&[], "print no_such_variable\necho later\\n\n", "true");
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("No symbol \"no_such_variable\""), "{text}");
    assert!(!text.contains("later"), "{text}");

    let commands = "lab-mutex\n";
    let (status, text) = batch(&[], commands, "true");
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains("give an expression with a mutex in it"),
        "{text}"
    );
}

#[test]
fn ctrl_c_stops_the_guest_and_the_end_of_gdb_is_its_end() {
    let terminal = nix::pty::openpty(None, None).unwrap();
    // SAFETY: both were opened just now, and nobody else knows them.
    let [mut master, slave] =
        [terminal.master, terminal.slave].map(|fd| unsafe { File::from_raw_fd(fd) });
    // A test that fails hangs up.
    let close = FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC);
    fcntl(master.as_raw_fd(), close).unwrap();
    let word = format!("test={}", std::process::id());
    let lab = gdb(&[
        "--append",
        &word,
        "--",
        "sh",
        "-c",
        "echo the guest is up; exec sleep 10000",
    ]);
    let mut session = Command::new("setsid");
    session
        .args(["-c", "-w"])
        .arg(lab.get_program())
        .args(lab.get_args());
    let slaves = [slave.try_clone().unwrap(), slave.try_clone().unwrap()].map(Stdio::from);
    let [out, err] = slaves;
    session.env("RLKM_ARCH", "arm64").env("TERM", "dumb");
    let mut child = session
        .stdin(slave)
        .stdout(out)
        .stderr(err)
        .spawn()
        .unwrap();
    drop(session);
    let mut seen = String::new();
    let mut until = |master: &mut File, text: &str| {
        let mut buffer = [0; 4096];
        while !seen.contains(text) {
            let ready = poll(
                &mut [PollFd::new(master.as_raw_fd(), PollFlags::POLLIN)],
                60_000,
            );
            assert_eq!(ready, Ok(1), "no {text:?} in {seen}");
            let n = master.read(&mut buffer).unwrap();
            seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
        seen = seen.split_off(seen.find(text).unwrap() + text.len());
    };
    until(&mut master, "The kernel is at its start");
    until(&mut master, "(gdb) ");
    master.write_all(b"continue\n").unwrap();
    until(&mut master, "the guest is up");
    assert_eq!(guests(&word), 1);
    master.write_all(b"\x03").unwrap();
    until(&mut master, "SIGINT");
    until(&mut master, "(gdb) ");
    master.write_all(b"lx-version\n").unwrap();
    until(&mut master, "-trace");
    master.write_all(b"quit\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(guests(&word), 0);
}

#[test]
fn a_run_that_takes_too_long_is_ended_with_all_that_it_started() {
    let word = format!("slow={}", std::process::id());
    let options = ["--append", &word, "--timeout", "8"];
    let (status, text) = batch(&options, "continue\n", "sleep 10000");
    assert_eq!(status, Some(124), "{text}");
    assert!(
        text.contains("time-out: the run took longer than 8 s"),
        "{text}"
    );
    assert_eq!(guests(&word), 0);
}

#[test]
fn what_is_missing_is_said_before_anything_is_started() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let run = |lab: &mut Command| {
        let output = lab.args(["--", "true"]).output().unwrap();
        let text = all(&output);
        assert_eq!(output.status.code(), Some(120), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    };
    let text = run(gdb(&[]).env("PATH", path));
    assert!(
        text.contains("no gdb-multiarch on PATH") && text.contains("apt install"),
        "{text}"
    );
    let text = run(&mut gdb(&["--batch", "no-such.gdb"]));
    assert!(
        text.contains("--batch no-such.gdb: cannot be read"),
        "{text}"
    );
    let text = run(&mut gdb(&["--arch", "x86_64"]));
    assert!(text.contains("arm64"), "{text}");
    let text = run(&mut gdb(&["--image", "vmlinux"]));
    assert!(
        text.contains("--image vmlinux") && text.contains("--kdir"),
        "{text}"
    );
    let mut other = Command::new(env!("CARGO_BIN_EXE_lab"));
    let text = run(other.args(["gdb", "--arch", "arm64", "--kdir", path]));
    assert!(
        text.contains("has no vmlinux") && text.contains("make tree VARIANT=trace"),
        "{text}"
    );
}
