//! `lab strace`: the system calls of one command in a new guest.

use crate::abi::{self, Ioctl};
use crate::cache;
use crate::guest;
use crate::guest::{initramfs, ports};
use crate::options::Options;
use crate::output::say;
use crate::verbs::run::Command;
use anyhow::{anyhow, Context, Result};
use nix::libc::STDERR_FILENO;
use nix::unistd::{dup, dup2, pipe};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::{AsRawFd, FromRawFd};
use std::path::PathBuf;
use std::thread;

/// Run one command in a new guest, and print its system calls
///
/// The lab's options come first, then strace's, which is Debian's: it is downloaded, and only the guest
/// has it. Threads and children are followed. The calls are printed on stderr when the command has
/// ended, after its own output, or written to a file (-o). Our ioctls have the names and the fields that
/// include/uapi gives them; for that, each thread is held for 0.3 s after an ioctl (but see
/// --no-fields).
#[derive(clap::Args)]
#[command(
    mut_arg("verbose", |arg| arg.short(None)),
    override_usage = "lab strace [OPTIONS] [STRACE-OPTIONS] -- <CMD>...",
    after_help = AFTER_HELP
)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    /// Write the calls to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Hold no thread: ioctls have names, and addresses in the place of fields
    #[arg(long)]
    no_fields: bool,
    /// Do not read stdin: the command's is /dev/null
    #[arg(long)]
    no_stdin: bool,
    /// Options of strace, as -e trace=ioctl, and behind -- the command and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "STRACE-OPTIONS -- CMD"
    )]
    words: Vec<OsString>,
}

const AFTER_HELP: &str = "\
Exit status: as of `lab run`.

Example:
  lab strace -e trace=openat,ioctl -- sh -c 'insmod /modules/misc_mutex.ko; misc stats'";

/// Marks what strace says, in the guest.
const SCRIPT: &str = include_str!("strace.awk");

pub fn main(mut args: Args) -> Result<u8> {
    let mut strace = Vec::new();
    // Without any, clap has taken the -- for its own.
    if args.words[0].as_bytes().starts_with(b"-") {
        let end = args.words.iter().position(|word| word == "--");
        let end = end.filter(|end| end + 1 < args.words.len());
        strace = args
            .words
            .drain(..end.context("which command? it comes behind --, after strace's options")?)
            .collect();
        args.words.remove(0);
    }
    let ioctls = abi::ioctls(&cache::checkout()?.join("include/uapi"))?;
    args.options.packages.push("strace".into());
    // strace's words are in the command's stderr, and known by what nobody else can say.
    let mark = format!("strace-{}:", ports::random_text()?);
    let awk = initramfs::quote(SCRIPT.as_bytes())?;
    let awk = String::from_utf8(awk).context("strace.awk is no text")?;
    let say_it = format!("|exec awk -v mark={mark} {awk} >&2");
    let mut words: Vec<OsString> = ["strace", "-f", "-o", &say_it].map(Into::into).into();
    if !args.no_fields {
        words.extend(["-e", "inject=ioctl:delay_exit=300000"].map(Into::into));
    }
    words.append(&mut strace);
    words.push("--".into());
    words.append(&mut args.words);
    let no_stdin = args.no_stdin;
    let command = Command { no_stdin, words };
    let file = match &args.output {
        Some(path) => Some((
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?,
            path,
        )),
        None => None,
    };
    let (status, calls) = apart(mark.as_bytes(), || {
        guest::run(&args.options, &[], &command, false)
    })?;
    let text = named(&calls, &ioctls);
    match file {
        Some((mut file, path)) => file
            .write_all(text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?,
        None if text.is_empty() => {}
        None => say!("the system calls:\n{}", text.trim_end()),
    }
    Ok(status)
}

/// Does the work, of whose stderr the marked lines are taken out and returned.
fn apart<T>(mark: &[u8], work: impl FnOnce() -> Result<T>) -> Result<(T, Vec<String>)> {
    let cannot = "cannot take a part of stderr";
    let stderr = dup(STDERR_FILENO).context(cannot)?;
    let (theirs, ours) = pipe().context(cannot)?;
    dup2(ours, STDERR_FILENO).context(cannot)?;
    nix::unistd::close(ours).context(cannot)?;
    // SAFETY: nobody else knows these descriptors.
    let (mut theirs, mut out) = unsafe { (File::from_raw_fd(theirs), File::from_raw_fd(stderr)) };
    thread::scope(|scope| {
        let reader = scope.spawn(move || -> io::Result<(File, Vec<String>)> {
            let mut lines = Vec::new();
            let (mut held, mut part) = (Vec::new(), [0; 1 << 16]);
            loop {
                let length = theirs.read(&mut part)?;
                held.extend_from_slice(&part[..length]);
                let rest = split(&mut held, mark, length == 0, &mut lines);
                // As when nobody reads the command's own stderr.
                let _ = out.write_all(&rest);
                if length == 0 {
                    return Ok((out, lines));
                }
            }
        });
        let result = work();
        // The last one that writes to it.
        nix::unistd::close(STDERR_FILENO).context(cannot)?;
        let (out, lines) = reader
            .join()
            .map_err(|_| anyhow!("its thread panicked"))
            .and_then(|read| Ok(read?))
            .context(cannot)?;
        dup2(out.as_raw_fd(), STDERR_FILENO).context(cannot)?;
        Ok((result?, lines))
    })
}

/// Takes whole marked lines out of what was read, and returns what is certainly none of them.
fn split(held: &mut Vec<u8>, mark: &[u8], is_end: bool, lines: &mut Vec<String>) -> Vec<u8> {
    let mut rest = Vec::new();
    while let Some(start) = ports::find(held, mark) {
        let line = &held[start + mark.len()..];
        let end = match line.iter().position(|&byte| byte == b'\n') {
            Some(end) => end,
            None if is_end => line.len(),
            None => {
                rest.extend(held.drain(..start));
                return rest;
            }
        };
        lines.push(String::from_utf8_lossy(&line[..end]).into_owned());
        rest.extend_from_slice(&held[..start]);
        held.drain(..(start + mark.len() + end + 1).min(held.len()));
    }
    // The beginning of a mark may be the end of what is there.
    let is_begun = |&length: &usize| held.ends_with(&mark[..length]);
    let begun = (1..mark.len().min(held.len() + 1)).rev().find(is_begun);
    let kept = if is_end { 0 } else { begun.unwrap_or(0) };
    rest.extend(held.drain(..held.len() - kept));
    rest
}

/// strace's lines, with our ioctls' names, and fields where their memory was read.
fn named(lines: &[String], ioctls: &HashMap<String, Ioctl>) -> String {
    let mut text: Vec<String> = Vec::new();
    // Where the last of our ioctls of a thread is in the text, and which it is.
    let mut last: HashMap<&str, (usize, &Ioctl)> = HashMap::new();
    for line in lines {
        let (thread, rest) = line.split_once(' ').unwrap_or(("", line));
        if let Some(bytes) = rest.strip_prefix("memory ") {
            let found = last.remove(thread);
            let argument = found.and_then(|(_, ioctl)| ioctl.argument(&bytes_of(bytes)));
            if let (Some((at, ioctl)), Some(argument)) = (found, argument) {
                let name = format!("{}, ", ioctl.name);
                if let Some((before, after)) = text[at].split_once(&name) {
                    let end = after.find([')', ' ']).unwrap_or(after.len());
                    text[at] = format!("{before}{name}{argument}{}", &after[end..]);
                }
            }
            continue;
        }
        // Not by the command, or its caller.
        let mut line = line.trim_end_matches(" (DELAYED)").to_owned();
        if let Some((words, ioctl)) = ioctls.iter().find(|(words, _)| line.contains(&**words)) {
            line = line.replace(&**words, &ioctl.name);
            last.insert(thread, (text.len(), ioctl));
        }
        text.push(line);
    }
    text.iter().map(|line| format!("{line}\n")).collect()
}

fn bytes_of(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).ok());
    pairs
        .map_while(|pair| u8::from_str_radix(pair?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_lines_are_taken_out_wherever_the_stream_is_cut() {
        let stream = b"one\ntwo#!a b\nthree#!\n#four#!c\n#";
        for cut in 0..=stream.len() {
            let (mut held, mut lines, mut rest) = (Vec::new(), Vec::new(), Vec::new());
            for (part, is_end) in [(&stream[..cut], false), (&stream[cut..], true)] {
                held.extend_from_slice(part);
                rest.extend(split(&mut held, b"#!", is_end, &mut lines));
            }
            assert_eq!(rest, b"one\ntwothree#four#", "{cut}");
            assert_eq!(lines, ["a b", "", "c"], "{cut}");
        }
    }
}
