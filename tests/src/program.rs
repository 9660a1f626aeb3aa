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
}

/// What a program has said.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
