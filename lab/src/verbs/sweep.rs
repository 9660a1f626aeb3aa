//! `lab sweep`: one command in guests that differ, several at a time.

use crate::cache;
use crate::guest::ports;
use crate::jobs::engine::Engine;
use crate::jobs::{self, Job};
use crate::kernels::tree;
use crate::kernels::which::Which;
use crate::output::{self, say};
use crate::sweep::kernel::{kernel, Kernel};
use crate::sweep::place::{self, Sweep};
use crate::sweep::points::{parse_param, product, Param, Point};
use crate::sweep::table::{results, Row, Table};
use anyhow::{bail, Context, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Run one command in many guests that differ, and print a table
///
/// There is a guest for each combination of the values. One that fails does not stop the others.
/// The command finds a module's parameters in the variable of the module's name, and the shell makes
/// words of it: insmod /modules/simrupt.ko $simrupt. A line NAME=VALUE of its output becomes a column
/// of the table. RLKM_MEMORY, RLKM_TIMEOUT, RLKM_APPEND and RLKM_ACCEL hold for all guests.
///
/// The folder has for each guest another, with stdout, stderr and what `lab job` needs to repeat it, and the
/// table as results.md, results.json and results.csv.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    #[command(flatten)]
    guests: tree::Guests,
    /// Numbers of CPUs, separated by commas
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u32).range(1..),
        default_value = "2"
    )]
    cpus: Vec<u32>,
    /// Which kernels to boot, separated by commas: plain, debug, or Debian's: stock, cloud, stock:6.1.0-57
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "plain"
    )]
    kernel: Vec<Which>,
    /// Values of a module's parameter; may be given for several
    #[arg(long = "param", value_name = "MODULE.NAME=VALUE,…", value_parser = parse_param)]
    params: Vec<Param>,
    #[command(flatten)]
    engine: Engine,
    /// A program for /bin, besides those built into target/TRIPLE/{debug,release}
    #[arg(long = "program", value_name = "FILE")]
    programs: Vec<PathBuf>,
    /// A variable for the command's environment
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = clap::builder::OsStringValueParser::new())]
    env: Vec<OsString>,
    /// Have guests count instructions: a nanosecond of their time is one
    #[arg(long)]
    icount: bool,
    /// Where everything is kept; what an earlier sweep has left there is removed [default: the
    /// checkout's target/sweep]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Keep what has ended of an earlier sweep there, also with other values, and run the rest
    #[arg(long)]
    resume: bool,
    /// What is printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    format: Format,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
    Csv,
}

const AFTER_HELP: &str = "\
Exit status:
  0  all runs ended with 0
  1  some did not
  120  the lab's own error

Example:
  lab sweep --cpus 1,2,4 --param simrupt.delay_ms=1,10 -- \\
    sh -c 'insmod /modules/simrupt.ko log=0 $simrupt && time simrupt --count 100'";

/// One guest.
struct Guest {
    point: Point,
    folder: PathBuf,
}

pub fn main(args: Args) -> Result<u8> {
    let points = product(&args.kernel, &args.cpus, &args.params)?;
    args.engine.check()?;
    if std::env::var_os("RLKM_IMAGE").is_some() {
        bail!("RLKM_IMAGE is set, and would be booted instead of each --kernel; unset it");
    }
    let is_only = args.kernel.len() == 1;
    let find = |which: &Which| kernel(&args.guests, which, is_only, &args.params);
    let kernels: Vec<Kernel> = args.kernel.iter().map(find).collect::<Result<_>>()?;
    warn(&args);

    let sweep = Sweep {
        command: args.command.clone(),
        options: options(&args),
    };
    let place = match &args.output {
        Some(place) => place.clone(),
        None => cache::target(&cache::checkout()?).join("sweep"),
    };
    let (place, _lock) = place::take(&place, &sweep, args.resume)?;
    let runs = place.join("runs");
    let guests: Vec<Guest> = points
        .into_iter()
        .map(|point| Guest {
            folder: runs.join(point.name()),
            point,
        })
        .collect();
    let mut todo = Vec::new();
    for guest in &guests {
        let has_ended = jobs::outcome(&guest.folder)?.is_some();
        if !has_ended {
            let is_its = |kernel: &&Kernel| kernel.which == guest.point.kernel;
            let kernel = kernels
                .iter()
                .find(is_its)
                .context("there is no such kernel")?;
            guest.job(&args, kernel)?.write(&guest.folder)?;
            todo.push(guest);
        }
    }
    say!(
        "{} runs, of which {} have ended before; all is kept in {}",
        guests.len(),
        guests.len() - todo.len(),
        place.display()
    );

    let folders: Vec<PathBuf> = todo.iter().map(|guest| guest.folder.clone()).collect();
    let mut count = 0;
    args.engine.run(&place, &folders, |number, _| {
        let row = todo[number].row()?;
        count += 1;
        let seconds = row.outcome.as_ref().map_or(0.0, |outcome| outcome.seconds);
        say!(
            "{count}/{}: {}: status {}, {seconds:.1} s",
            folders.len(),
            row.point.name(),
            row.status()
        );
        write_tables(&place, &table(&guests)?)
    })?;

    let table = table(&guests)?;
    write_tables(&place, &table)?;
    let printed = output::print(match args.format {
        Format::Table => table.markdown(),
        Format::Json => table.json()?,
        Format::Csv => table.csv()?,
    });
    let bad = table.0.iter().filter(|row| !row.is_good()).count();
    if bad > 0 {
        say!(
            "{bad} of the runs failed; their output is in {}",
            runs.display()
        );
        return printed.map(|_| 1);
    }
    printed
}

/// Says what the user may not have meant: runs that are all the same.
fn warn(args: &Args) {
    let line = args.command.join(OsStr::new(" "));
    for param in &args.params {
        let forms = [format!("${}", param.module), format!("${{{}", param.module)];
        let is_used = |form: &String| ports::find(line.as_bytes(), form.as_bytes()).is_some();
        if args.programs.is_empty() && !forms.iter().any(is_used) {
            say!(
                "--param {0}.{1}: the command does not use it; in a shell, that is \
                 insmod /modules/{0}.ko ${0}",
                param.module,
                param.name
            );
        }
    }
}

/// The options of `lab run` that all guests have alike.
fn options(args: &Args) -> Vec<OsString> {
    let mut options: Vec<OsString> = vec!["--arch".into(), args.guests.arch.0.name.into()];
    for program in &args.programs {
        options.extend(["--program".into(), program.clone().into_os_string()]);
    }
    for pair in &args.env {
        options.extend(["--env".into(), pair.clone()]);
    }
    if args.icount {
        options.push("--icount".into());
    }
    options
}

impl Guest {
    fn job(&self, args: &Args, kernel: &Kernel) -> Result<Job> {
        let mut words: Vec<OsString> = vec!["run".into(), "--no-stdin".into()];
        words.extend(options(args));
        words.extend(["--kdir".into(), kernel.kdir.clone().into_os_string()]);
        words.extend(["--cpus".into(), self.point.cpus.to_string().into()]);
        for variable in self.point.variables() {
            words.extend(["--env".into(), variable]);
        }
        words.push("--".into());
        words.extend(args.command.iter().cloned());
        let modules = kernel.modules.clone().map(PathBuf::into_os_string);
        let variables = modules.map(|folder| ("RLKM_BUILD".into(), folder));
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| self.folder.join(name));
        Job::new(words, variables, stdout, stderr)
    }

    fn row(&self) -> Result<Row> {
        let outcome = jobs::outcome(&self.folder)?;
        Ok(Row {
            point: self.point.clone(),
            results: match outcome {
                Some(_) => results(&self.folder.join("stdout"))?,
                None => Vec::new(),
            },
            outcome,
            folder: self.folder.to_string_lossy().into_owned(),
        })
    }
}

fn table(guests: &[Guest]) -> Result<Table> {
    Ok(Table(guests.iter().map(Guest::row).collect::<Result<_>>()?))
}

fn write_tables(place: &Path, table: &Table) -> Result<()> {
    jobs::write(&place.join("results.md"), table.markdown().as_bytes())?;
    jobs::write(&place.join("results.json"), table.json()?.as_bytes())?;
    jobs::write(&place.join("results.csv"), table.csv()?.as_bytes())
}
