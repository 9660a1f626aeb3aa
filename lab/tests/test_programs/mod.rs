//! Test programs for guests, and `lab suites` with them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const TESTS: &str = r#"
#[test]
fn passes() {}
#[test]
#[ignore]
fn waits() {}
#[test]
fn fails_on_one_cpu() {
    let cpus = std::thread::available_parallelism().unwrap().get();
    assert!(cpus > 1, "only <{cpus}>");
}
"#;

pub struct Suites(tempfile::TempDir);

impl Suites {
    /// Two programs, which are the same.
    pub fn new() -> Suites {
        let suites = Suites(tempfile::tempdir().unwrap());
        let source = suites.path("a.rs");
        fs::write(&source, TESTS).unwrap();
        let rustc = Command::new("/usr/bin/rustc")
            .args([
                "--edition=2021",
                "--test",
                "--target=aarch64-unknown-linux-gnu",
            ])
            .args([
                "-Clinker=aarch64-linux-gnu-gcc",
                "-Ctarget-feature=+crt-static",
            ])
            .args(["-Cstrip=debuginfo", "-o"])
            .arg(suites.path("a"))
            .arg(source)
            .status();
        assert!(rustc.unwrap().success());
        fs::copy(suites.path("a"), suites.path("b")).unwrap();
        suites
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn run(&self, options: &[&str]) -> Output {
        self.run_with(options, &[])
    }

    /// With these variables as well.
    pub fn run_with(&self, options: &[&str], env: &[(&str, &Path)]) -> Output {
        let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
        lab.arg("suites").args(options).envs(env.iter().copied());
        lab.env("RLKM_ARCH", "arm64")
            .env("CARGO_TARGET_DIR", self.path("target"));
        lab.stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut lab = lab.spawn().unwrap();
        let mut stdin = lab.stdin.take().unwrap();
        for name in ["a", "b"] {
            let path = self.path(name);
            let message = serde_json::json!({
                "target": { "name": name }, "profile": { "test": true }, "executable": path,
            });
            writeln!(stdin, "{message}").unwrap();
        }
        writeln!(stdin, r#"{{"reason":"build-finished","success":true}}"#).unwrap();
        drop(stdin);
        lab.wait_with_output().unwrap()
    }
}
