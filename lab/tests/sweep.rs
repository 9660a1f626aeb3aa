//! `lab sweep`, in real guests: all of a product, whatever becomes of one of them.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Sweep(tempfile::TempDir);

impl Sweep {
    fn new() -> Sweep {
        Sweep(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("sweep").join(name)
    }

    fn command(&self, options: &[&str], script: &str) -> Command {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        lab.arg("sweep")
            .args(options)
            .arg("--output")
            .arg(self.path(""));
        lab.args(["--", "sh", "-c", script]);
        lab.env("RLKM_ARCH", "arm64").stdin(Stdio::null());
        lab
    }

    fn run(&self, options: &[&str], script: &str) -> Output {
        self.command(options, script).output().unwrap()
    }

    /// The rows, as the file of results has them.
    fn rows(&self) -> Vec<Value> {
        serde_json::from_slice(&fs::read(self.path("results.json")).unwrap()).unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_refused(output: &Output, parts: &[&str]) {
    let said = said(output);
    assert_eq!(
        (output.status.code(), said.lines().count()),
        (Some(120), 1),
        "{said}"
    );
    assert!(
        parts.iter().all(|part| said.contains(part)),
        "no {parts:?} in: {said}"
    );
}

/// Fails where the module was loaded for 2 CPUs with who=b; and tells both.
const SCRIPT: &str = "insmod /modules/hello.ko $hello && echo cpus=$(nproc) && \
     echo who=$(cat /sys/module/hello/parameters/who) && echo err >&2 && [ \"$(nproc)$hello\" != 2who=b ]";

#[test]
fn a_run_that_fails_does_not_stop_the_others() {
    let sweep = Sweep::new();
    let options = ["--cpus", "1,2", "--param", "hello.who=a,b"];
    let output = sweep.run(&[&options[..], &["--format", "csv"]].concat(), SCRIPT);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for line in [
        "4/4: ",
        "plain-2-hello.who=b: status 1",
        "1 of the runs failed",
    ] {
        assert!(
            said(&output).contains(line),
            "no {line:?} in: {}",
            said(&output)
        );
    }
    let csv = String::from_utf8(output.stdout).unwrap();
    let cells: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let heading = [
        "kernel",
        "CPUs",
        "hello.who",
        "status",
        "seconds",
        "cpus",
        "who",
    ];
    assert_eq!(cells[0], heading);
    let without_time = |row: &[&str]| [&row[..4], &row[5..]].concat().join(" ");
    let rows: Vec<String> = cells[1..].iter().map(|row| without_time(row)).collect();
    let expected = [
        "plain 1 a 0 1 a",
        "plain 1 b 0 1 b",
        "plain 2 a 0 2 a",
        "plain 2 b 1 2 b",
    ];
    assert_eq!(rows, expected);
    assert_eq!(fs::read_to_string(sweep.path("results.csv")).unwrap(), csv);
    assert_eq!(sweep.rows()[3]["status"], 1);
    let of_one = Path::new("runs/plain-2-hello.who=b");
    let file = |name: &str| fs::read_to_string(sweep.path("").join(of_one).join(name)).unwrap();
    assert_eq!(
        (file("stdout").as_str(), file("stderr").as_str()),
        ("cpus=2\nwho=b\n", "err\n")
    );

    // One of them by itself, from anywhere.
    fs::write(sweep.path("").join(of_one).join("stderr"), "").unwrap();
    let mut again = Command::new("env");
    again.arg("-i").arg(env!("CARGO_BIN_EXE_lab")).arg("job");
    again.arg(sweep.path("").join(of_one)).current_dir("/");
    assert_eq!(again.status().unwrap().code(), Some(1));
    assert_eq!(
        (file("stdout").as_str(), file("stderr").as_str()),
        ("cpus=2\nwho=b\n", "err\n")
    );

    // What has ended is not run again, also where there is more to be run; what has not is.
    fs::remove_file(sweep.path("runs/plain-1-hello.who=a/outcome.json")).unwrap();
    let mark = sweep.path("runs/plain-1-hello.who=b/mark");
    fs::write(&mark, "").unwrap();
    let more = ["--cpus", "1", "--param", "hello.who=a,b,c", "--resume"];
    let output = sweep.run(&more, SCRIPT);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        said(&output).contains("3 runs, of which 1 have ended"),
        "{}",
        said(&output)
    );
    assert!(said(&output).contains("2/2: "), "{}", said(&output));
    assert!(mark.exists());
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        (table.lines().count(), sweep.rows().len()),
        (5, 3),
        "{table}"
    );

    // Another command is another sweep.
    assert_refused(
        &sweep.run(&["--resume"], "true"),
        &["--resume", "another command"],
    );
    assert!(mark.exists());
    let output = sweep.run(&["--cpus", "1"], "true");
    assert_eq!(
        (output.status.code(), mark.exists()),
        (Some(0), false),
        "{}",
        said(&output)
    );
}

#[test]
fn what_cannot_be_swept_is_refused_before_the_first_run() {
    let sweep = Sweep::new();
    for (options, parts) in [
        (&["--cpus", "1,1"][..], &["plain-1 twice"][..]),
        (&["--cpus", "0"], &["--cpus"]),
        (&["--kernel", "fast"], &["--kernel"]),
        (&["--param", "hello=1"], &["MODULE.NAME=VALUE"]),
        (&["--param", "nothing.x=1"], &["nothing.x", "make modules"]),
        (&["--engine", "cloud"], &["--engine"]),
    ] {
        assert_refused(&sweep.run(options, "true"), parts);
    }
    let mut lab = sweep.command(&[], "true");
    assert_refused(
        &lab.env("RLKM_IMAGE", "/x").output().unwrap(),
        &["RLKM_IMAGE"],
    );
    // Where no program is.
    for (engine, package) in [("parallel", "parallel"), ("slurm", "slurm-client")] {
        let mut lab = sweep.command(&["--engine", engine], "true");
        let output = lab.env("PATH", sweep.0.path()).output().unwrap();
        assert_refused(&output, &[engine, &format!("apt install {package}")]);
    }
    assert!(!sweep.path("").exists());
    fs::create_dir(sweep.path("")).unwrap();
    fs::write(sweep.path("mine"), "").unwrap();
    assert_refused(&sweep.run(&[], "true"), &["other files than a sweep's"]);
    assert_eq!(fs::read_dir(sweep.path("")).unwrap().count(), 1);
}
