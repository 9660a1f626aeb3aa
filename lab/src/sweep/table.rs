//! What came of a sweep, as one table in three forms.

use super::points::Point;
use crate::jobs::Outcome;
use crate::output::markdown;
use anyhow::{Context, Result};
use serde_json::{json, Map, Value};
use std::path::Path;

/// What came of one guest.
pub struct Row {
    pub point: Point,
    /// None if it did not run, or not to its end.
    pub outcome: Option<Outcome>,
    /// Names and values that its output had.
    pub results: Vec<(String, String)>,
    /// Where its files are.
    pub folder: String,
}

pub struct Table(pub Vec<Row>);

/// The lines NAME=VALUE of an output, of which the last of a name counts, in the order of the
/// names' first ones.
pub fn results(output: &Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read(output);
    let text = text.with_context(|| format!("cannot read {}", output.display()))?;
    let mut results: Vec<(String, String)> = Vec::new();
    for line in String::from_utf8_lossy(&text).lines() {
        let (name, value) = match line.split_once('=') {
            Some((name, value)) if is_name(name) => (name, value.trim().to_owned()),
            _ => continue,
        };
        match results.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => results.push((name.to_owned(), value)),
        }
    }
    Ok(results)
}

fn is_name(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_word)
}

impl Row {
    pub fn is_good(&self) -> bool {
        self.outcome
            .as_ref()
            .map_or(false, |outcome| outcome.status == Some(0))
    }

    /// How it ended, in a word.
    pub fn status(&self) -> String {
        match &self.outcome {
            Some(outcome) => outcome
                .status
                .map_or("KILLED".into(), |status| status.to_string()),
            None => "–".into(),
        }
    }
}

impl Table {
    /// The heading and a row for each guest.
    fn cells(&self) -> Vec<Vec<String>> {
        let mut names: Vec<&String> = Vec::new();
        for (name, _) in self.0.iter().flat_map(|row| &row.results) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let params = self.0.first().map_or(&[][..], |row| &row.point.params);
        let mut heading = vec!["kernel".to_owned(), "CPUs".to_owned()];
        heading.extend(
            params
                .iter()
                .map(|(module, name, _)| format!("{module}.{name}")),
        );
        heading.extend(["status".to_owned(), "seconds".to_owned()]);
        heading.extend(names.iter().map(|&name| name.clone()));
        let mut rows = vec![heading];
        for row in &self.0 {
            let mut cells = vec![row.point.kernel.to_string(), row.point.cpus.to_string()];
            cells.extend(row.point.params.iter().map(|(_, _, value)| value.clone()));
            let seconds = row.outcome.as_ref().map(|outcome| outcome.seconds);
            cells.push(row.status());
            cells.push(seconds.map_or(String::new(), |seconds| format!("{seconds:.1}")));
            cells.extend(names.iter().map(|&name| {
                let result = row.results.iter().find(|(known, _)| known == name);
                result.map_or(String::new(), |(_, value)| value.clone())
            }));
            rows.push(cells);
        }
        rows
    }

    pub fn markdown(&self) -> String {
        let mut cells = self.cells();
        for cell in cells.iter_mut().flatten() {
            *cell = cell.replace('|', "\\|");
        }
        markdown(&cells)
    }

    pub fn csv(&self) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in self.cells() {
            writer.write_record(row)?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }

    /// An object for each guest.
    pub fn json(&self) -> Result<String> {
        let object = |row: &Row| {
            let params = row.point.params.iter();
            let params =
                params.map(|(module, name, value)| (format!("{module}.{name}"), json!(value)));
            let results = row.results.iter();
            let results = results.map(|(name, value)| (name.clone(), json!(value)));
            json!({
                "kernel": row.point.kernel.to_string(),
                "cpus": row.point.cpus,
                "params": params.collect::<Map<String, Value>>(),
                "ended": row.outcome.is_some(),
                "status": row.outcome.as_ref().and_then(|outcome| outcome.status),
                "seconds": row.outcome.as_ref().map(|outcome| outcome.seconds),
                "results": results.collect::<Map<String, Value>>(),
                "folder": row.folder,
            })
        };
        let objects: Vec<Value> = self.0.iter().map(object).collect();
        Ok(format!("{}\n", serde_json::to_string_pretty(&objects)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::which::Which;

    #[test]
    fn the_table_has_a_column_for_each_parameter_and_result() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("stdout");
        std::fs::write(&output, "bytes=1\na b=2\n=3\nrate=4 a,\"s\"\nbytes=5\n").unwrap();
        let results = results(&output).unwrap();
        let row = |cpus, status: Option<i32>, results| Row {
            point: Point {
                kernel: Which::default(),
                cpus,
                params: vec![("m".into(), "p".into(), "x|y".into())],
            },
            outcome: status.map(|status| Outcome {
                status: Some(status),
                seconds: 1.25,
            }),
            results,
            folder: "f".into(),
        };
        let table = Table(vec![row(1, Some(0), results), row(2, None, Vec::new())]);
        assert_eq!(
            table.csv().unwrap(),
            "kernel,CPUs,m.p,status,seconds,bytes,rate\n\
             plain,1,x|y,0,1.2,5,\"4 a,\"\"s\"\"\"\n\
             plain,2,x|y,–,,,\n"
        );
        assert!(table.markdown().contains("| x\\|y | 0      |"));
        let json: Value = serde_json::from_str(&table.json().unwrap()).unwrap();
        assert_eq!(json[0]["results"]["rate"], "4 a,\"s\"");
        assert_eq!(json[1]["ended"], false);
    }
}
