//! `lab runs`: the runs that live.

use crate::cache::runs::{self, Run};
use crate::output;
use anyhow::Result;
use cli::{table, Align};
use std::ffi::OsStr;
use std::fs;

/// List the runs that live
///
/// Each has a row: its id, the lab's process, for how long it has been running, the command. Below it
/// are the paths of its sockets and logs, and of the script that repeats it. Folders of the last
/// runs that are over stay in ${XDG_CACHE_HOME:-$HOME/.cache}/rlkm/run.
#[derive(clap::Args)]
pub struct Args {
    /// Print them in JSON, one line for each
    #[arg(long)]
    json: bool,
}

pub fn main(args: Args) -> Result<u8> {
    let runs = runs::live()?;
    if args.json {
        let lines = runs.iter().map(|run| {
            let object = serde_json::json!({
                "id": run.id,
                "pid": run.record.pid,
                "since": run.record.since,
                "command": run.record.command,
                "folder": run.folder.to_string_lossy(),
                "files": files(run)?,
            });
            Ok(format!("{object}\n"))
        });
        return output::print(lines.collect::<Result<String>>()?);
    }
    let mut rows = vec![["ID", "PID", "SINCE", "COMMAND"]
        .map(str::to_owned)
        .to_vec()];
    for run in &runs {
        let seconds = run.record.age().as_secs();
        let since = format!(
            "{}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        );
        let command = run.record.command.replace('\n', " ");
        rows.push(vec![
            run.id.clone(),
            run.record.pid.to_string(),
            since,
            command,
        ]);
    }
    let text = table(
        &[Align::Left, Align::Right, Align::Right, Align::Left],
        &rows,
    );
    let mut lines = text.lines();
    let mut text: String = lines
        .next()
        .map(|line| format!("{line}\n"))
        .unwrap_or_default();
    for (run, line) in runs.iter().zip(lines) {
        text += line;
        text.push('\n');
        for path in files(run)? {
            text.extend(["    ", &path, "\n"]);
        }
    }
    output::print(text)
}

/// Its sockets and logs, and how to repeat it.
fn files(run: &Run) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(&run.folder)? {
        let path = entry?.path();
        let kind = path.extension().and_then(OsStr::to_str);
        if matches!(kind, Some("log" | "sock" | "sh")) {
            paths.push(path.to_string_lossy().into_owned());
        }
    }
    paths.sort();
    Ok(paths)
}
