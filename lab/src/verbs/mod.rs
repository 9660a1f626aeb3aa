//! One file for each verb: its options, and what it does with them.

mod attach;
pub mod bench;
mod completions;
mod console;
mod decode;
mod gdb;
mod job;
pub mod lockstat;
mod man;
pub mod run;
pub mod runner;
mod runs;
pub mod shell;
mod stop;
mod strace;
pub mod suites;
mod sweep;
mod tree;
mod user;

use anyhow::Result;
use clap::{Command, CommandFactory, Parser, Subcommand};

/// Prepare kernel trees, boot guests, run commands in them.
///
/// Everything is kept in ${XDG_CACHE_HOME:-$HOME/.cache}/rlkm.
#[derive(Parser)]
#[command(name = "lab", version)]
pub enum Lab {
    #[command(flatten)]
    Kernels(Kernels),
    #[command(flatten)]
    Guests(Guests),
    #[command(flatten)]
    Tests(Tests),
    #[command(flatten)]
    Lab(Itself),
}

#[derive(Subcommand)]
pub enum Kernels {
    Tree(tree::Args),
}

#[derive(Subcommand)]
pub enum Guests {
    Run(run::Args),
    Shell(shell::Args),
    Gdb(gdb::Args),
    Lockstat(lockstat::Args),
    Runs(runs::Args),
    Attach(attach::Args),
    Console(console::Args),
    Stop(stop::Args),
    Strace(strace::Args),
    User(user::Args),
    Decode(decode::Args),
}

#[derive(Subcommand)]
pub enum Tests {
    Suites(suites::Args),
    Sweep(sweep::Args),
    Runner(runner::Args),
    Bench(bench::Args),
    Job(job::Args),
}

#[derive(Subcommand)]
pub enum Itself {
    Completions(completions::Args),
    Man(man::Args),
}

impl Lab {
    /// Does what the verb says, and gives the status to end with.
    pub fn main(self) -> Result<u8> {
        match self {
            Lab::Kernels(Kernels::Tree(args)) => tree::main(args),
            Lab::Guests(Guests::Run(args)) => run::main(args),
            Lab::Guests(Guests::Shell(args)) => shell::main(args),
            Lab::Guests(Guests::Gdb(args)) => gdb::main(args),
            Lab::Guests(Guests::Lockstat(args)) => lockstat::main(args),
            Lab::Guests(Guests::Runs(args)) => runs::main(args),
            Lab::Guests(Guests::Attach(args)) => attach::main(args),
            Lab::Guests(Guests::Console(args)) => console::main(args),
            Lab::Guests(Guests::Stop(args)) => stop::main(args),
            Lab::Guests(Guests::Strace(args)) => strace::main(args),
            Lab::Guests(Guests::User(args)) => user::main(args),
            Lab::Guests(Guests::Decode(args)) => decode::main(args),
            Lab::Tests(Tests::Suites(args)) => suites::main(args),
            Lab::Tests(Tests::Sweep(args)) => sweep::main(args),
            Lab::Tests(Tests::Job(args)) => job::main(args),
            Lab::Tests(Tests::Runner(args)) => runner::main(args),
            Lab::Tests(Tests::Bench(args)) => bench::main(args),
            Lab::Lab(Itself::Completions(args)) => completions::main(args),
            Lab::Lab(Itself::Man(args)) => man::main(args),
        }
    }
}

/// The command line, with a help that lists the verbs in their groups: clap has headings for options
/// only.
pub fn command() -> Command {
    let empty = || Command::new("lab");
    let groups = [
        ("Kernels", Kernels::augment_subcommands(empty())),
        ("Guests", Guests::augment_subcommands(empty())),
        (
            "Tests and measurements",
            Tests::augment_subcommands(empty()),
        ),
        ("The lab itself", Itself::augment_subcommands(empty())),
    ];
    let command = Lab::command();
    let names = command.get_subcommands().map(|verb| verb.get_name().len());
    let width = names.max().unwrap_or(0);
    let mut lines = Vec::new();
    for (heading, verbs) in groups {
        lines.push(format!("{heading}:"));
        for verb in verbs.get_subcommands() {
            let about = verb.get_about().map(ToString::to_string);
            let about = about.unwrap_or_default();
            lines.push(format!("  {:width$}  {about}", verb.get_name()));
        }
        lines.push(String::new());
    }
    let text = lines.join("\n");
    command.help_template(format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{text}\n\
         Options:\n{{options}}\n\n`lab help VERB` says more of a verb.{{after-help}}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_every_verb_once_in_one_line() {
        let help = command().render_long_help().to_string();
        for verb in Lab::command().get_subcommands() {
            let about = verb.get_about().expect("a verb says what it does");
            let line = |line: &&str| {
                let words: Vec<&str> = line.split_whitespace().collect();
                words.first() == Some(&verb.get_name()) && line.ends_with(&about.to_string())
            };
            let lines: Vec<&str> = help.lines().filter(line).collect();
            assert_eq!(lines.len(), 1, "{}: {help}", verb.get_name());
            assert!(lines[0].len() <= 80, "{}", lines[0]);
        }
    }
}
