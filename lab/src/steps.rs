//! Long steps: a name and the elapsed time, a bar where there is a count, all output in a log file.
//! On a terminal one line moves; elsewhere plain lines come, seconds apart.

use crate::output::say;
use anyhow::{bail, Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often a running command's log is looked at.
const POLL: Duration = Duration::from_millis(100);
/// The least time between two plain lines of one step.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// How much of a log a failure shows.
const TAIL: usize = 30;

/// The total of a step that counts.
#[derive(Clone, Copy)]
pub enum Total {
    /// Nothing to count.
    None,
    /// What the last such step counted.
    Counted(u64),
    /// A guess, shown with a `~`.
    Estimated(u64),
}

/// The log of one job, and the steps that write to it.
pub struct Steps {
    log: PathBuf,
}

impl Steps {
    /// Starts the log at `path` anew.
    pub fn new(path: PathBuf) -> Result<Steps> {
        if let Some(folder) = path.parent() {
            crate::cache::make_dir(folder)?;
        }
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Steps { log: path })
    }

    /// Runs one step that is not a command.
    pub fn step<T>(&self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let step = Step::start(name, Total::None);
        let result = work()?;
        step.finish();
        Ok(result)
    }

    /// Runs a command as one step; its output goes to the log.
    pub fn run(&self, name: &str, command: &mut Command) -> Result<()> {
        self.run_counting(name, Total::None, command, |_| false)
            .map(|_| ())
    }

    /// Runs a command as one step, and counts the lines of its output that `counts` says yes to.
    pub fn run_counting(
        &self,
        name: &str,
        total: Total,
        command: &mut Command,
        counts: impl Fn(&str) -> bool,
    ) -> Result<u64> {
        let mut log = OpenOptions::new()
            .append(true)
            .read(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        writeln!(log, "\n== {name}\n{command:?}")?;
        let mut reader = File::open(&self.log)?;
        std::io::copy(&mut reader, &mut std::io::sink())?;

        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        crate::guest::qemu::end_with_lab(command, nix::sys::signal::Signal::SIGTERM);
        let mut step = Step::start(name, total);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
        let mut rest = Vec::new();
        let status = loop {
            let status = child.try_wait()?;
            reader.read_to_end(&mut rest)?;
            while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                if counts(String::from_utf8_lossy(&line).trim_end()) {
                    step.advance();
                }
            }
            match status {
                Some(status) => break status,
                None => std::thread::sleep(POLL),
            }
        };
        if !status.success() {
            let count = step.count;
            step.abandon();
            let how = match (status.code(), status.signal()) {
                (Some(code), _) => format!("status {code}"),
                (_, signal) => format!("signal {}", signal.unwrap_or(0)),
            };
            let counted = if count > 0 {
                format!(" after {count} steps")
            } else {
                String::new()
            };
            bail!(
                "{name} failed with {how}{counted}; the last lines of {}:\n{}",
                self.log.display(),
                indented(&tail(&self.log, TAIL)?)
            );
        }
        Ok(step.finish())
    }
}

/// The last lines of a text file, whatever the bytes.
pub fn tail(path: &Path, lines: usize) -> Result<String> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(last(&String::from_utf8_lossy(&text), lines))
}

/// Those of a text.
pub fn last(text: &str, lines: usize) -> String {
    let mut last = VecDeque::new();
    for line in text.lines() {
        if last.len() == lines {
            last.pop_front();
        }
        last.push_back(line.trim_end());
    }
    Vec::from(last).join("\n")
}

/// The lines of a text that is shown among the lab's own words.
pub fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  | {line}")).collect();
    lines.join("\n")
}

/// One running step.
struct Step {
    name: String,
    start: Instant,
    total: Total,
    count: u64,
    bar: ProgressBar,
    last_plain: Instant,
}

impl Step {
    fn start(name: &str, total: Total) -> Step {
        let (length, template) = match total {
            Total::None => (0, "{spinner} {prefix} {elapsed}"),
            Total::Counted(n) => (n, "{spinner} {prefix} {wide_bar} {pos}/{len} {elapsed}"),
            Total::Estimated(n) => (n, "{spinner} {prefix} {wide_bar} {pos}/~{len} {elapsed}"),
        };
        // The template is a constant: one that does not parse falls back to the plain spinner.
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::new(length)
            .with_style(style)
            .with_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        if bar.is_hidden() {
            say!("{name} …");
        }
        let now = Instant::now();
        Step {
            name: name.to_owned(),
            start: now,
            total,
            count: 0,
            bar,
            last_plain: now,
        }
    }

    fn advance(&mut self) {
        self.count += 1;
        if let Total::Counted(total) | Total::Estimated(total) = self.total {
            // A total that proved too small is not one.
            self.bar.set_length(total.max(self.count));
        }
        self.bar.set_position(self.count);
        if self.bar.is_hidden() && self.last_plain.elapsed() >= PLAIN_EVERY {
            self.last_plain = Instant::now();
            let of = match self.total {
                Total::Counted(total) if total >= self.count => format!("/{total}"),
                Total::Estimated(total) if total >= self.count => format!("/~{total}"),
                _ => String::new(),
            };
            say!(
                "{}: {}{of}, {} s",
                self.name,
                self.count,
                self.start.elapsed().as_secs()
            );
        }
    }

    fn finish(self) -> u64 {
        self.bar.finish_and_clear();
        let seconds = self.start.elapsed().as_secs_f64();
        let counted = if self.count > 0 {
            format!(", {} steps", self.count)
        } else {
            String::new()
        };
        say!("{} done ({seconds:.1} s{counted})", self.name);
        self.count
    }

    fn abandon(self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_names_its_log_and_shows_its_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log/x.log");
        let steps = Steps::new(log.clone()).unwrap();
        let error = steps
            .run(
                "try",
                Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"]),
            )
            .unwrap_err()
            .to_string();
        assert!(error.contains("try failed with status 3"), "{error}");
        assert!(error.contains(log.to_str().unwrap()), "{error}");
        assert!(error.ends_with("  | one\n  | two"), "{error}");
    }

    #[test]
    fn only_the_lines_that_count_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let steps = Steps::new(dir.path().join("x.log")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo '  CC a'; echo warning; echo '  LD b'"]);
        let count = steps.run_counting("try", Total::Estimated(1), &mut command, |l| {
            l.starts_with("  ")
        });
        assert_eq!(count.unwrap(), 2);
    }
}
