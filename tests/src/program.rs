//! The programs of the nodes, as their users run them.

use std::process::{Command, Output, Stdio};

/// A program that was built for the guest.
pub struct Program(pub &'static str);

impl Program {
    /// The program with `args`, no input, and pipes for its output.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(format!("/bin/{}", self.0));
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args)
            .output()
            .unwrap_or_else(|error| panic!("/bin/{}: {error}", self.0))
    }

    /// Runs it, which must do what it is asked for, and gives what it wrote.
    #[track_caller]
    pub fn writes(&self, args: &[&str]) -> String {
        wrote(&self.run(args), args)
    }

    /// Fails unless a run was an error, of which it complained in these words.
    #[track_caller]
    pub fn assert_complained(&self, output: &Output, complaint: &str) {
        assert_eq!(text(&output.stderr), format!("{}: {complaint}\n", self.0));
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(text(&output.stdout), "");
    }
}

/// What a program wrote that must have done what it was asked for.
#[track_caller]
pub fn wrote(output: &Output, args: &[&str]) -> String {
    assert_eq!(text(&output.stderr), "", "{args:?}");
    assert_eq!(output.status.code(), Some(0), "{args:?}");
    text(&output.stdout)
}

/// What a program has said.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
