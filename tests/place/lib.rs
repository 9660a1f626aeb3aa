//! A program for a device node as its user sees it, where there is no node.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A program, and a path for its node, in a folder of its own, at which there is nothing yet.
pub struct Place {
    program: &'static str,
    _folder: TempDir,
    pub path: PathBuf,
}

impl Place {
    /// For the `program` at this path, with the node's name as it would be under /dev.
    pub fn new(program: &'static str, node: &str) -> Place {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(node);
        Place {
            program,
            _folder: folder,
            path,
        }
    }

    /// The program with `args`, no input, and pipes for its output.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command
            .arg("--node")
            .arg(&self.path)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What the program has complained of, with NODE for the path.
    pub fn message(&self, output: &Output) -> String {
        let path = self.path.display().to_string();
        String::from_utf8_lossy(&output.stderr).replace(&path, "NODE")
    }

    /// Fails unless the program cannot use the node, and says so.
    #[track_caller]
    pub fn fails(&self, args: &[&str], message: &str) {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        assert_eq!(output.stdout, b"", "{args:?}");
        assert_eq!(self.message(&output), message, "{args:?}");
    }

    /// Fails unless the program does not take such arguments.
    #[track_caller]
    pub fn refuses(&self, args: &[&str]) {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(output.stdout, b"", "{args:?}");
        assert_ne!(output.stderr, b"", "{args:?}");
    }

    /// Fails unless the exit statuses are those of the help also where nobody can be told anything.
    #[track_caller]
    pub fn keeps_its_statuses_whoever_listens(&self) {
        let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
        // A pipe that nobody reads: its reader is a program that has ended.
        let unread = || {
            let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
            let pipe = reader.stdin.take().unwrap();
            reader.wait().unwrap();
            Stdio::from(pipe)
        };
        let status = |args: &[&str], stdout: Stdio, stderr: Stdio| {
            let mut command = self.command(args);
            let status = command.stdout(stdout).stderr(stderr).status().unwrap();
            status.code()
        };
        for help in ["--help", "-h", "--version"] {
            assert_eq!(
                status(&[help], full().into(), Stdio::null()),
                Some(3),
                "{help}"
            );
            assert_eq!(
                status(&[help], full().into(), full().into()),
                Some(3),
                "{help}"
            );
            assert_eq!(status(&[help], unread(), Stdio::null()), Some(0), "{help}");
            assert_eq!(
                status(&[help], Stdio::null(), full().into()),
                Some(0),
                "{help}"
            );
        }
        for stderr in [full().into(), unread()] {
            assert_eq!(
                status(&["--no-such-option"], full().into(), stderr),
                Some(2)
            );
        }
        let said = self.run(&["--no-such-option"]).stderr;
        assert_eq!(String::from_utf8_lossy(&said).lines().count(), 1);
    }

    /// Fails unless --help has all of `texts`, and a line for each exit status of `statuses`.
    #[track_caller]
    pub fn help_tells(&self, texts: &[&str], statuses: &[u8]) {
        let output = self.run(&["--help"]);
        assert_eq!(output.status.code(), Some(0));
        let help = String::from_utf8(output.stdout).unwrap();
        for text in texts {
            assert!(help.contains(text), "{help}");
        }
        for status in statuses {
            let begin = format!("  {status}  ");
            assert!(help.lines().any(|line| line.starts_with(&begin)), "{help}");
        }
    }
}
