//! What `lab run` promises, tried on real guests. They boot what the lab boots by default: the
//! tree that `make tree` prepares (`make test` does so first), or RLKM_KDIR. Without one these
//! tests fail, and say so.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::io::FromRawFd;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn lab(options: &[&str], command: &[&str]) -> Command {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    lab.arg("run").args(options).arg("--").args(command);
    // What is expected below names this architecture.
    lab.env("RLKM_ARCH", "arm64").stdin(Stdio::null());
    lab
}

fn run(options: &[&str], command: &[&str]) -> Output {
    lab(options, command).output().unwrap()
}

fn with_stdin(mut lab: Command, input: &[u8]) -> Output {
    lab.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = lab.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    })
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[track_caller]
fn assert_ended(output: &Output, status: i32, stderr: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{said}");
    for part in stderr {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}

#[test]
fn the_status_of_the_command_comes_back() {
    assert_ended(&run(&[], &["true"]), 0, &[]);
    assert_ended(&run(&[], &["sh", "-c", "exit 7"]), 7, &[]);
    assert_ended(&run(&[], &["sh", "-c", "kill -TERM $$"]), 128 + 15, &[]);
    assert_ended(&run(&[], &["no-such-program"]), 127, &["no-such-program"]);
}

#[test]
fn a_kernel_that_does_not_count_locks_says_so() {
    let lockstat = Command::new(env!("CARGO_BIN_EXE_lab"))
        .env("RLKM_ARCH", "arm64")
        .args(["lockstat", "--", "true"])
        .output()
        .unwrap();
    assert_ended(&lockstat, 120, &["CONFIG_LOCK_STAT", "--kernel debug"]);
}

#[test]
fn a_module_for_the_other_variant_is_refused_before_the_boot() {
    let dir = tempfile::tempdir().unwrap();
    let module = dir.path().join("stranger.ko");
    fs::write(&module, "\0__asan_register_globals\0").unwrap();
    let output = run(&["--module", module.to_str().unwrap()], &["true"]);
    let said = ["stranger.ko is for a debug kernel", "make VARIANT="];
    assert_ended(&output, 120, &said);
}

#[test]
fn a_kernel_that_cannot_look_for_leaks_does_not_pass_for_one_that_found_none() {
    let output = run(&["--kmemleak"], &["true"]);
    assert_ended(&output, 123, &["CONFIG_DEBUG_KMEMLEAK"]);
}

#[test]
fn stdout_and_stderr_are_apart_and_the_console_is_in_neither() {
    let output = run(
        &[],
        &[
            "sh",
            "-c",
            "echo out; echo err >&2; echo kmsg >/dev/kmsg; echo >/dev/console",
        ],
    );
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        ("out\n", "err\n")
    );
}

#[test]
fn five_megabytes_pass_both_ways_unchanged() {
    // A linear congruential generator: no byte pattern that a lost block could hide in.
    let mut state = 1u64;
    let input: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(5_000_000)
    .collect();
    let output = with_stdin(lab(&[], &["sh", "-c", "tee /dev/stderr"]), &input);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        output.stdout == input,
        "stdout differs, {} bytes",
        output.stdout.len()
    );
    assert!(
        output.stderr == input,
        "stderr differs, {} bytes",
        output.stderr.len()
    );
}

#[test]
fn the_end_of_stdin_reaches_the_command() {
    let output = with_stdin(lab(&[], &["wc", "-c"]), b"abc");
    assert_eq!(text(&output.stdout), "3\n");
    assert_eq!(text(&run(&[], &["wc", "-c"]).stdout), "0\n");
}

#[test]
fn a_command_that_does_not_read_its_stdin_still_ends() {
    let mut lab = lab(&[], &["true"]);
    lab.stdin(Stdio::piped());
    let mut child = lab.spawn().unwrap();
    // Held open: the command's end must not wait for it.
    let _stdin = child.stdin.take();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_forgotten_child_does_not_hold_up_the_end() {
    let output = run(&[], &["sh", "-c", "sleep 1000 & echo done"]);
    assert_ended(&output, 0, &[]);
    assert_eq!(text(&output.stdout), "done\n");
}

#[test]
fn arguments_and_variables_reach_the_command_as_they_were() {
    let word: Vec<u8> = (1..=255).collect();
    let mut lab = lab(
        &["--env", "EMPTY=", "--env", "A=b c='\"\n"],
        &["sh", "-c", r#"printf '%s|' "$A" "$EMPTY" "$@""#, "sh"],
    );
    lab.arg("").arg("-x").arg(OsString::from_vec(word.clone()));
    let expected = [b"b c='\"\n|||-x|".as_slice(), &word, b"|"].concat();
    assert_eq!(lab.output().unwrap().stdout, expected);
}

#[test]
fn the_command_is_not_taken_for_options() {
    assert_ended(&run(&[], &["-x"]), 127, &["-x"]);
    assert_ended(&run(&[], &["--", "x"]), 127, &["--"]);
    assert_ended(&run(&[], &["A=b"]), 127, &["A=b"]);
    let dir = tempfile::tempdir().unwrap();
    for name in ["-x", "--", "A=b", "a b", "a'b"] {
        let script = dir.path().join(name);
        fs::write(&script, "#!/bin/sh\nprintf '%s|' \"$0\" \"$@\"\n").unwrap();
        let output = run(
            &["--program", script.to_str().unwrap()],
            &[name, "-e", "--"],
        );
        assert_eq!(text(&output.stdout), format!("/bin/{name}|-e|--|"));
    }
}

#[test]
fn many_words_and_long_ones_reach_the_command() {
    // The longest that Linux passes on, and more of them than a page holds.
    let long = "x".repeat((128 << 10) - 1);
    let mut lab = lab(&[], &["sh", "-c", "echo $# ${#1} ${#2}", "sh", &long, ""]);
    lab.args((0..10_000).map(|n| n.to_string()));
    assert_eq!(text(&lab.output().unwrap().stdout), "10002 131071 0\n");
}

#[test]
fn a_loop_that_reads_its_stdin_runs_for_every_line() {
    for option in ["-n", "--no-stdin"] {
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg("while read -r x; do \"$0\" run \"$1\" -- echo \"$x\"; done");
        shell.arg(env!("CARGO_BIN_EXE_lab")).arg(option);
        shell.env("RLKM_ARCH", "arm64");
        let output = with_stdin(shell, b"one\ntwo\n");
        assert_ended(&output, 0, &[]);
        assert_eq!(text(&output.stdout), "one\ntwo\n");
    }
    let output = run(
        &["-n"],
        &[
            "sh",
            "-c",
            "readlink /proc/self/fd/0; cat; [ -c /dev/stdin ]",
        ],
    );
    assert_ended(&output, 0, &[]);
    assert_eq!(text(&output.stdout), "/dev/null\n");
}

#[test]
fn a_stdin_that_cannot_be_read_ends_for_the_command() {
    for stdin in ["<&-", "</", "</dev/null", "0>/dev/null"] {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("\"$0\" run -- wc -c {stdin}"));
        shell.arg(env!("CARGO_BIN_EXE_lab"));
        let output = shell.env("RLKM_ARCH", "arm64").output().unwrap();
        assert_ended(&output, 0, &[]);
        assert_eq!(text(&output.stdout), "0\n", "{stdin}");
    }
}

#[test]
fn a_run_in_the_background_of_a_terminal_is_not_stopped() {
    let terminal = nix::pty::openpty(None, None).unwrap();
    // SAFETY: both were opened just now, and nobody else knows them.
    let [_master, slave] =
        [terminal.master, terminal.slave].map(|fd| unsafe { fs::File::from_raw_fd(fd) });
    let mut session = Command::new("setsid");
    // With -m a shell gives each job a process group, and the terminal to those in the foreground.
    session.args([
        "-c",
        "-w",
        "sh",
        "-mc",
        "\"$0\" run -- echo here & wait $!; echo $?",
    ]);
    session
        .arg(env!("CARGO_BIN_EXE_lab"))
        .env("RLKM_ARCH", "arm64");
    let output = session.stdin(slave).output().unwrap();
    assert_ended(&output, 0, &[]);
    assert_eq!(text(&output.stdout), "here\n0\n");
}

#[test]
fn a_cache_may_be_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    // Longer than the name of a socket may be.
    let cache = dir.path().join(format!("a b,c'd=e:{}", "x".repeat(120)));
    let tree = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["tree", "--arch", "arm64", "--print", "kdir"])
        .output()
        .unwrap();
    let mut lab = lab(&[], &["echo", "here"]);
    if std::env::var_os("RLKM_KDIR").map_or(true, |kdir| kdir.is_empty()) {
        lab.env("RLKM_KDIR", text(&tree.stdout).trim_end());
    }
    let busybox = fs::read_dir(cache_of_all().join("guest"))
        .unwrap()
        .find_map(|entry| {
            let path = entry.unwrap().path();
            let is_it = path.file_name()?.to_str()?.starts_with("arm64-");
            is_it.then(|| path.join("bin/busybox"))
        });
    if std::env::var_os("RLKM_BUSYBOX").is_none() {
        lab.env("RLKM_BUSYBOX", busybox.unwrap());
    }
    let output = lab
        .env("XDG_CACHE_HOME", &cache)
        .env("TMPDIR", &cache)
        .output()
        .unwrap();
    assert_ended(&output, 0, &[]);
    assert_eq!(text(&output.stdout), "here\n");
}

/// The lab's folder.
fn cache_of_all() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
    cache.unwrap_or_else(home).join("rlkm")
}

#[test]
fn the_options_shape_the_guest() {
    let command = "nproc; cat /proc/cmdline; grep MemTotal /proc/meminfo";
    let output = run(
        &[
            "--cpus",
            "3",
            "--memory",
            "128M",
            "--append",
            "lab_was=here",
        ],
        &["sh", "-c", command],
    );
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert_eq!(lines[0], "3");
    assert!(lines[1].ends_with(" lab_was=here"), "{}", lines[1]);
    let kilobytes: u32 = lines[2].split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((64 << 10..128 << 10).contains(&kilobytes), "{kilobytes}");
}

#[test]
fn a_named_program_is_in_the_guest() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("greet");
    std::fs::write(&script, "#!/bin/sh\necho hello, $1\n").unwrap();
    let output = run(&["--program", script.to_str().unwrap()], &["greet", "lab"]);
    assert_eq!(text(&output.stdout), "hello, lab\n");
}

#[test]
fn a_panic_has_its_own_status_and_shows_the_console() {
    // The panic waits for the answer: what is still in the guest's pipes when it comes is lost.
    let mut child = lab(
        &[],
        &[
            "sh",
            "-c",
            "echo before; read -r _; echo c >/proc/sysrq-trigger",
        ],
    )
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "before\n");
    child.stdin.take().unwrap().write_all(b"now\n").unwrap();
    assert_ended(
        &child.wait_with_output().unwrap(),
        122,
        &[
            "panicked",
            "/rlkm/run/",
            "Kernel panic - not syncing: sysrq",
        ],
    );
}

#[test]
fn a_guest_that_stops_under_the_command_has_not_ended_well() {
    assert_ended(
        &run(&[], &["poweroff", "-f"]),
        122,
        &["stopped", "/rlkm/run/"],
    );
}

#[test]
fn a_guest_without_init_is_a_boot_failure() {
    let output = run(&["--append", "rdinit=/nonexistent"], &["true"]);
    assert_ended(
        &output,
        121,
        &["did not boot", "/rlkm/run/", "Kernel panic"],
    );
}

#[test]
fn files_that_do_not_fit_into_the_memory_are_a_boot_failure() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("large");
    let file = std::fs::File::create(&program).unwrap();
    // Less than QEMU refuses to load, more than the guest can unpack.
    file.set_len(50 << 20).unwrap();
    let options = ["--memory", "128M", "--program", program.to_str().unwrap()];
    let mut lab = lab(&options, &["true"]);
    // Where no other programs are.
    let output = lab.env("CARGO_TARGET_DIR", dir.path()).output().unwrap();
    assert_ended(&output, 121, &["do not fit", "--memory"]);
}

#[test]
fn an_image_that_is_no_kernel_is_a_boot_failure() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("Image");
    std::fs::write(&image, "not a kernel\n").unwrap();
    let output = run(
        &["--image", image.to_str().unwrap(), "--timeout", "3"],
        &["true"],
    );
    assert_ended(&output, 121, &["did not boot", "/rlkm/run/"]);
}

#[test]
fn a_time_out_has_its_own_status_and_names_the_limit() {
    let start = Instant::now();
    let output = run(
        &["--timeout", "10"],
        &["sh", "-c", "echo early; sleep 1000"],
    );
    assert_ended(
        &output,
        124,
        &["longer than 10 s", "/rlkm/run/", "Run /init"],
    );
    assert_eq!(text(&output.stdout), "early\n");
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn the_labs_own_errors_have_one_status() {
    assert_ended(
        &run(&["--image", "/nonexistent"], &["true"]),
        120,
        &["/nonexistent"],
    );
    assert_ended(&run(&["--cpus", "0"], &["true"]), 120, &["--cpus"]);
    assert_ended(&run(&["--env", "no-pair"], &["true"]), 120, &["NAME=VALUE"]);
    assert_ended(
        &run(&["--program", "/bin/true"], &["true"]),
        120,
        &["/bin/true is for"],
    );
    assert_ended(&run(&[], &[]), 120, &["CMD"]);
}

#[test]
fn dry_run_prints_the_line_and_runs_nothing() {
    let output = run(&["--dry-run", "--append", "a 'b'"], &["true"]);
    assert_ended(&output, 0, &[]);
    let words = shlex::split(text(&output.stdout).trim_end()).unwrap();
    assert_eq!(words[0], "qemu-system-aarch64");
    let append = words.iter().position(|word| word == "-append").unwrap();
    assert!(
        words[append + 1].ends_with(" a 'b'"),
        "{}",
        words[append + 1]
    );
}

#[test]
fn runs_side_by_side_do_not_disturb_each_other() {
    let mut children: Vec<Child> = Vec::new();
    for i in 0..3 {
        let command = format!("seq {i}0000 {i}5000; exit {i}");
        let mut lab = lab(&[], &["sh", "-c", &command]);
        children.push(lab.stdout(Stdio::piped()).spawn().unwrap());
    }
    for (i, child) in children.into_iter().enumerate() {
        let output = child.wait_with_output().unwrap();
        let expected: String = (i * 10000..=i * 10000 + 5000)
            .map(|n| format!("{n}\n"))
            .collect();
        assert_eq!(output.status.code(), Some(i as i32));
        assert_eq!(text(&output.stdout), expected);
    }
}

/// The processes, QEMU's among them, that have `word` in their command line, but not the lab's.
fn processes_with(word: &str) -> usize {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.unwrap().path().join("cmdline")).ok())
        .filter(|line| line.starts_with(b"qemu") && String::from_utf8_lossy(line).contains(word))
        .count()
}

#[test]
fn qemu_does_not_outlive_a_killed_lab() {
    let word = format!("lab_test={}", std::process::id());
    let mut child = lab(&["--append", &word], &["sh", "-c", "echo up; sleep 1000"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!((line.as_str(), processes_with(&word)), ("up\n", 1));
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while processes_with(&word) > 0 {
        assert!(Instant::now() < deadline, "QEMU is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_end_of_the_reader_ends_the_run() {
    let mut child = lab(&[], &["yes"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    // The reader is dropped behind the first line.
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "y\n");
    assert_eq!(child.wait().unwrap().code(), Some(141));
}

#[test]
fn output_that_cannot_be_written_is_the_labs_own_error() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut lab = lab(&[], &["echo", "lost"]);
    let output = lab.stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_ended(&output, 120, &["cannot write the command's output"]);
}
