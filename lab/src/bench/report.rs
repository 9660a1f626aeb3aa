//! What is told of the figures: a table to read, and all of them in JSON.

use super::figures::{Figures, Row};
use anyhow::{Context, Result};
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What was measured with.
#[derive(Debug, Serialize)]
pub struct About {
    arch: String,
    kernel: String,
    /// The key of the tree, if it is the lab's own, or the name of its folder.
    tree: String,
    rustc: String,
    cc: String,
    qemu: String,
}

impl About {
    pub fn new(arch: &crate::kernels::arch::Arch, kdir: &Path) -> Result<About> {
        let read = |name: &str| {
            let path = kdir.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let config = read(".config")?;
        let option = |name: &str| {
            let value = config
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().trim_matches('"').to_owned()
        };
        let qemu = Command::new(arch.qemu)
            .arg("--version")
            .output()
            .with_context(|| format!("cannot run {}", arch.qemu))?;
        let qemu = String::from_utf8_lossy(&qemu.stdout);
        let tree = kdir.canonicalize().context("cannot resolve the tree")?;
        Ok(About {
            arch: arch.name.to_owned(),
            kernel: read("include/config/kernel.release")?.trim().to_owned(),
            tree: tree
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            rustc: option("CONFIG_RUSTC_VERSION_TEXT"),
            cc: option("CONFIG_CC_VERSION_TEXT"),
            qemu: qemu.lines().next().unwrap_or_default().to_owned(),
        })
    }
}

/// All figures, the raw ones too.
pub fn json(about: &About, rows: &[Row]) -> Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        case: &'a str,
        op: &'a str,
        unit: &'a str,
        cpus: u32,
        elements: Option<u64>,
        ratio: Option<f64>,
        aim: Option<String>,
        met: Option<bool>,
        ours: &'a Option<Figures>,
        c: &'a Option<Figures>,
        userland: &'a Option<Figures>,
    }
    #[derive(Serialize)]
    struct Bench<'a> {
        about: &'a About,
        rows: Vec<Line<'a>>,
    }
    let rows = rows.iter().map(|row| Line {
        case: &row.case,
        op: &row.op,
        unit: &row.unit,
        cpus: row.cpus,
        elements: row.elements,
        ratio: row.ratio(),
        aim: row.aim().map(|aim| aim.to_string()),
        met: row.is_met(),
        ours: &row.ours,
        c: &row.c,
        userland: &row.userland,
    });
    let bench = Bench {
        about,
        rows: rows.collect(),
    };
    Ok(serde_json::to_string_pretty(&bench)? + "\n")
}

/// A table in Markdown, with its columns in line for those who read it as it is.
pub fn table(rows: &[Row]) -> String {
    const HEAD: [&str; 9] = [
        "case", "what", "ours", "C", "ours / C", "userland", "spread", "aim", "",
    ];
    let mut lines: Vec<[String; 9]> = vec![HEAD.map(str::to_owned)];
    for row in rows {
        let figures = |side: &Option<Figures>| match side {
            Some(figures) => number(figures.median, &row.unit),
            None => String::new(),
        };
        let widest = row.sides().map(|side| side.spread).fold(0.0, f64::max);
        lines.push([
            row.case.clone(),
            what(row),
            figures(&row.ours),
            figures(&row.c),
            row.ratio().map_or_else(String::new, |r| format!("{r:.2}")),
            figures(&row.userland),
            match &*row.unit {
                "bytes" => String::new(),
                _ => format!("{:.1} %", widest * 100.0),
            },
            row.aim().map_or_else(String::new, |aim| aim.to_string()),
            match row.is_met() {
                Some(true) => "met".to_owned(),
                Some(false) => "missed".to_owned(),
                None => String::new(),
            },
        ]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..HEAD.len()).map(|i| width(i).unwrap_or(0)).collect();
    // Numbers are to the right.
    let right = |column: usize| (2..7).contains(&column);
    let mut text = String::new();
    for (i, line) in lines.iter().enumerate() {
        for (column, cell) in line.iter().enumerate() {
            let width = widths[column];
            text += &match right(column) {
                true => format!("| {cell:>width$} "),
                false => format!("| {cell:<width$} "),
            };
        }
        text += "|\n";
        if i == 0 {
            for (column, width) in widths.iter().enumerate() {
                text += &match right(column) {
                    true => format!("| {}: ", "-".repeat((*width).max(2) - 1)),
                    false => format!("| {} ", "-".repeat((*width).max(1))),
                };
            }
            text += "|\n";
        }
    }
    text
}

/// What a row is about, less its case.
fn what(row: &Row) -> String {
    let mut words = vec![row.op.clone()];
    if let Some(elements) = row.elements {
        words.push(format!("{} elements", grouped(elements as f64)));
    }
    if row.cpus > 1 {
        words.push(format!("{} CPUs", row.cpus));
    }
    let each = match row.elements {
        Some(_) if row.unit != "times faster" => " each",
        _ => "",
    };
    words.push(format!("{}{each}", row.unit));
    words.join(", ")
}

fn number(value: f64, unit: &str) -> String {
    match unit {
        "times faster" => format!("{value:.2}"),
        _ if value >= 1_000.0 => grouped(value),
        "bytes" | "elements" => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

/// As 1,234,567.
pub fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The rows whose runs are further apart than they may, where instructions are counted.
pub fn unstable(rows: &[Row], limit: f64) -> Vec<String> {
    let counted = rows.iter().filter(|row| row.unit == "instructions");
    let apart = counted.filter(|row| row.sides().any(|side| side.between_runs > limit));
    apart
        .map(|row| format!("{}, {}", row.case, what(row)))
        .collect()
}

/// The page with another table for the architecture; none if it has no place for one.
pub fn with_table(page: &str, arch: &str, table: &str) -> Option<String> {
    let (begin, end) = place(arch);
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{table}\n{end}{after}"))
}

/// The lines before and after it.
fn place(arch: &str) -> (String, String) {
    let line = |words| format!("<!-- `lab bench --arch {arch}` writes {words} here -->\n");
    (line("from"), line("to"))
}

#[cfg(test)]
mod tests {
    use super::super::figures::{Sample, Side};
    use super::*;

    fn rows() -> Vec<Row> {
        let sample = |case: &str, op: &str, side, run, value| Sample {
            case: case.into(),
            op: op.into(),
            side,
            unit: "instructions".into(),
            cpus: 1,
            elements: (case == "ksort").then_some(1_000_000),
            values: vec![value],
            run,
        };
        Row::of(vec![
            sample("misc_mutex", "read", Side::Ours, 1, 1040.4),
            sample("misc_mutex", "read", Side::Ours, 2, 1040.4),
            sample("misc_mutex", "read", Side::C, 1, 555.0),
            sample("misc_mutex", "read", Side::C, 2, 560.0),
            sample("ksort", "auto", Side::Ours, 1, 50.5),
            sample("ksort", "auto", Side::Userland, 1, 450.0),
        ])
    }

    #[test]
    fn the_table_can_be_read_and_is_markdown() {
        let expected = "\
| case       | what                                        |  ours |     C | ours / C | userland | spread | aim        |        |
| ---------- | ------------------------------------------- | ----: | ----: | -------: | -------: | -----: | ---------- | ------ |
| misc_mutex | read, instructions                          | 1,040 | 557.5 |     1.87 |          |  0.9 % | ≤ 1.02 × C | missed |
| ksort      | auto, 1,000,000 elements, instructions each |  50.5 |       |          |    450.0 |  0.0 % | ≤ 45       | missed |
";
        assert_eq!(table(&rows()), expected);
    }

    #[test]
    fn runs_that_are_apart_are_named() {
        assert_eq!(unstable(&rows(), 0.01), Vec::<String>::new());
        assert_eq!(unstable(&rows(), 0.005), ["misc_mutex, read, instructions"]);
    }

    #[test]
    fn the_raw_figures_are_in_the_json() {
        let about = About {
            arch: "arm64".into(),
            kernel: "6.1.0".into(),
            tree: "key".into(),
            rustc: String::new(),
            cc: String::new(),
            qemu: String::new(),
        };
        let json: serde_json::Value =
            serde_json::from_str(&json(&about, &rows()).unwrap()).unwrap();
        assert_eq!(json["about"]["kernel"], "6.1.0");
        assert_eq!(json["rows"][0]["c"]["runs"][1][0], 560.0);
        assert_eq!(json["rows"][0]["met"], false);
        assert_eq!(json["rows"][1]["elements"], 1_000_000);
        assert_eq!(json["rows"][1]["ratio"], serde_json::Value::Null);
    }

    #[test]
    fn the_table_takes_the_place_of_the_last_one_of_its_architecture() {
        let (begin, end) = place("arm64");
        let (other, last) = place("x86_64");
        let page = |table| format!("# Bench\n\n{begin}\n{table}\n{end}\n{other}\nold\n{last}");
        let once = with_table(&page("old"), "arm64", "| a |\n").unwrap();
        assert_eq!(once, page("| a |\n"));
        assert_eq!(with_table(&once, "arm64", "| a |\n").unwrap(), once);
        assert_eq!(with_table("# Bench\n", "arm64", ""), None);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(1_234_567.4), "1,234,567");
        assert_eq!(grouped(100.0), "100");
        assert_eq!(number(50.46, "instructions"), "50.5");
        assert_eq!(number(50.0, "bytes"), "50");
        assert_eq!(number(2.345, "times faster"), "2.35");
    }
}
