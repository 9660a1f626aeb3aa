//! `lab completions`: what a shell needs to complete the lab's command lines.

use crate::output;
use anyhow::Result;
use clap_complete::{generate, Shell};

/// Print a shell's completions for the lab
///
/// `make install-lab` installs those for bash, zsh and fish. For this bash only:
/// source <(lab completions bash)
#[derive(clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub fn main(args: Args) -> Result<u8> {
    let mut text = Vec::new();
    generate(args.shell, &mut super::command(), "lab", &mut text);
    output::print(text)
}
