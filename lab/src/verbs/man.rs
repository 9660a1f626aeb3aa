//! `lab man`: the lab's manual pages.

use crate::{cache, output};
use anyhow::{Context, Result};
use clap_mangen::Man;
use std::fs;
use std::path::PathBuf;

/// Print the lab's manual pages, or write them into a folder
///
/// There is one of the lab, lab(1), and one of each verb, as lab-run(1). To read all of them:
/// lab man | man -l -
#[derive(clap::Args)]
pub struct Args {
    /// Where to write them; without it, they are printed, one behind the other
    dir: Option<PathBuf>,
}

pub fn main(args: Args) -> Result<u8> {
    let pages = pages()?;
    let dir = match args.dir {
        Some(dir) => dir,
        None => {
            return output::print(
                pages
                    .into_iter()
                    .flat_map(|(_, page)| page)
                    .collect::<Vec<u8>>(),
            )
        }
    };
    cache::make_dir(&dir)?;
    for (name, page) in pages {
        let path = dir.join(format!("{name}.1"));
        fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(0)
}

/// The pages and their names, in the order of the help.
fn pages() -> Result<Vec<(String, Vec<u8>)>> {
    // It has no page: `lab help run` is `lab run --help`.
    let lab = super::command().disable_help_subcommand(true);
    let named = lab.get_subcommands().cloned().map(|verb| {
        let name = format!("lab-{}", verb.get_name());
        let call = format!("lab {}", verb.get_name());
        verb.name(name).bin_name(call)
    });
    std::iter::once(lab.clone())
        .chain(named)
        .map(|command| {
            let name = command.get_name().to_owned();
            let mut page = Vec::new();
            let man = Man::new(command)
                // A date that is none: the same lab has the same pages.
                .date(" ")
                .source(concat!("rlkm ", env!("CARGO_PKG_VERSION")));
            man.render(&mut page).context("cannot make a page")?;
            Ok((name, page))
        })
        .collect()
}
