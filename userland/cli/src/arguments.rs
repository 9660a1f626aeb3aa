//! Arguments, and what is said instead of taking them.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::process::{self, ExitCode};

use clap::{error, Parser};

use crate::output::{complain, stderr, stdout};

/// A program's exit status for what can be amiss before it begins.
#[derive(Clone, Copy)]
pub struct Statuses {
    /// Wrong arguments.
    pub usage: u8,
    /// The output cannot be written.
    pub unwritable: u8,
    /// Nobody reads the output any more.
    pub unread: u8,
}

/// Those of the programs for the nodes.
pub const STATUSES: Statuses = Statuses {
    usage: 2,
    unwritable: 3,
    unread: 0,
};

const SEE: &str = "see --help";

/// The program's arguments; or else the status to end with, as help or the version was asked for, or
/// the arguments are wrong and one line says so.
pub fn parse<A: Parser>(program: &str, statuses: Statuses) -> Result<A, ExitCode> {
    A::try_parse().map_err(|error| tell(program, statuses, &error, SEE))
}

/// Writes what clap has to say instead of arguments, and gives the status to end with. Behind what
/// is wrong stands `place`: where to look for it, or for what is right.
pub fn tell(program: &str, statuses: Statuses, error: &clap::Error, place: &str) -> ExitCode {
    if !error.use_stderr() {
        let text = error.render().to_string();
        return ExitCode::from(match stdout().write_all(text.as_bytes()) {
            Ok(()) => 0,
            Err(error) if error.kind() == ErrorKind::BrokenPipe => statuses.unread,
            Err(error) => {
                complain(
                    program,
                    format_args!("standard output: cannot write: {error}"),
                );
                statuses.unwritable
            }
        });
    }
    if error.kind() == error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // The status is all that can be told where nobody listens.
        let _ = stderr().write_all(error.render().to_string().as_bytes());
    } else {
        complain(program, format_args!("{}({place})", Usage(error)));
    }
    ExitCode::from(statuses.usage)
}

/// Ends a program for a node, as `parse` does, for arguments of which it knows later what is wrong.
pub fn refuse(program: &str, message: fmt::Arguments<'_>) -> ! {
    complain(program, format_args!("{message} ({SEE})"));
    process::exit(STATUSES.usage.into())
}

/// clap's own words about wrong arguments, without the usage that follows them, as one line and a space.
struct Usage<'a>(&'a clap::Error);

impl fmt::Display for Usage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        for line in text.lines().take_while(|line| !line.trim().is_empty()) {
            write!(f, "{} ", line.trim())?;
        }
        Ok(())
    }
}
