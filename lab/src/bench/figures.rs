//! What the guests' program prints, and what is made of it: medians, ratios, and whether an aim is
//! met.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the figures are figures of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Ours,
    /// The twin in C.
    C,
    /// What a program can do without any module.
    Userland,
}

/// Repeated measurements of one thing, in one run.
#[derive(Clone, Debug, Deserialize)]
pub struct Sample {
    pub case: String,
    pub op: String,
    pub side: Side,
    pub unit: String,
    pub cpus: u32,
    #[serde(default)]
    pub elements: Option<u64>,
    pub values: Vec<f64>,
    #[serde(skip)]
    pub run: usize,
}

impl Sample {
    pub fn parse(line: &str, run: usize) -> Result<Sample> {
        let sample: Sample = serde_json::from_str(line)
            .with_context(|| format!("the bench printed what is no sample: {line}"))?;
        Ok(Sample { run, ..sample })
    }
}

/// The figures of one side, from all runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Of the runs' own medians: what ails one boot is one value.
    pub median: f64,
    /// How far the runs' own medians are apart, as a part of the median.
    pub between_runs: f64,
    /// How far all values are apart, as a part of the median.
    pub spread: f64,
    pub runs: Vec<Vec<f64>>,
}

impl Figures {
    fn of(runs: Vec<Vec<f64>>) -> Option<Figures> {
        let all = runs.concat();
        let medians: Vec<f64> = runs.iter().filter_map(|run| self::median(run)).collect();
        let median = median(&medians)?;
        Some(Figures {
            median,
            between_runs: width(&medians) / median,
            spread: width(&all) / median,
            runs,
        })
    }
}

/// The one in the middle, or the mean of the two that are; none of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    Some(if sorted.len() % 2 == 0 {
        (sorted[sorted.len() / 2 - 1] + upper) / 2.0
    } else {
        upper
    })
}

/// From the least to the greatest.
fn width(values: &[f64]) -> f64 {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    greatest - least
}

/// What a row is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// Ours is at most so many times the twin's.
    Ratio(f64),
    /// Ours is at most this.
    AtMost(f64),
    /// Ours is at least this.
    AtLeast(f64),
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aim::Ratio(limit) => write!(f, "≤ {limit} × C"),
            Aim::AtMost(limit) => write!(f, "≤ {limit}"),
            Aim::AtLeast(limit) => write!(f, "≥ {limit}"),
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub case: String,
    pub op: String,
    pub unit: String,
    pub cpus: u32,
    pub elements: Option<u64>,
    pub ours: Option<Figures>,
    pub c: Option<Figures>,
    pub userland: Option<Figures>,
}

impl Row {
    /// Brings together what belongs together; rows are in the order of their first sample.
    pub fn of(samples: Vec<Sample>) -> Vec<Row> {
        let mut groups: Vec<Vec<Sample>> = Vec::new();
        for sample in samples {
            let key = |it: &Sample| {
                (
                    it.case.clone(),
                    it.op.clone(),
                    it.unit.clone(),
                    it.cpus,
                    it.elements,
                )
            };
            match groups
                .iter_mut()
                .find(|group| key(&group[0]) == key(&sample))
            {
                Some(group) => group.push(sample),
                None => groups.push(vec![sample]),
            }
        }
        groups.iter().map(|group| Row::of_group(group)).collect()
    }

    fn of_group(samples: &[Sample]) -> Row {
        let figures = |side| {
            let mut of_side: Vec<&Sample> = samples.iter().filter(|it| it.side == side).collect();
            of_side.sort_by_key(|sample| sample.run);
            Figures::of(of_side.iter().map(|sample| sample.values.clone()).collect())
        };
        let first = &samples[0];
        Row {
            case: first.case.clone(),
            op: first.op.clone(),
            unit: first.unit.clone(),
            cpus: first.cpus,
            elements: first.elements,
            ours: figures(Side::Ours),
            c: figures(Side::C),
            userland: figures(Side::Userland),
        }
    }

    /// Ours to the twin's.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.ours.as_ref()?.median / self.c.as_ref()?.median)
    }

    pub fn aim(&self) -> Option<Aim> {
        match (&*self.case, &*self.op, &*self.unit) {
            ("ksort", "auto", "instructions") if self.elements == Some(1_000_000) => {
                Some(Aim::AtMost(45.0))
            }
            ("ksort", "auto", "times faster") if self.cpus == 4 => Some(Aim::AtLeast(1.7)),
            ("ksort", _, unit) if unit != "bytes" => None,
            ("simrupt", "rate", _) => Some(Aim::AtLeast(20_000.0)),
            ("hello", ".text", _) => Some(Aim::AtMost(1_000.0)),
            ("ksort", ".text", _) => Some(Aim::Ratio(10.0)),
            ("percpu_counter", ".text", _) => Some(Aim::Ratio(4.5)),
            (_, ".text", _) => Some(Aim::Ratio(3.5)),
            ("hello", _, "instructions") => Some(Aim::Ratio(1.03)),
            (_, _, "instructions") if self.c.is_some() => Some(Aim::Ratio(1.02)),
            _ => None,
        }
    }

    pub fn is_met(&self) -> Option<bool> {
        let ours = self.ours.as_ref()?.median;
        Some(match self.aim()? {
            Aim::Ratio(limit) => self.ratio()? <= limit,
            Aim::AtMost(limit) => ours <= limit,
            Aim::AtLeast(limit) => ours >= limit,
        })
    }

    pub fn sides(&self) -> impl Iterator<Item = &Figures> {
        [&self.ours, &self.c, &self.userland].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(side: Side, op: &str, run: usize, values: &[f64]) -> Sample {
        Sample {
            case: "misc_mutex".into(),
            op: op.into(),
            side,
            unit: "instructions".into(),
            cpus: 1,
            elements: None,
            values: values.to_vec(),
            run,
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[3.0, 1.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 3.0, 5.0]), Some(4.0));
    }

    #[test]
    fn runs_are_told_apart_from_what_is_within_them() {
        let figures = Figures::of(vec![vec![99.0, 100.0, 150.0], vec![100.0, 102.0, 102.0]]);
        let figures = figures.unwrap();
        assert_eq!(figures.median, 101.0);
        assert_eq!(figures.between_runs, 2.0 / 101.0);
        assert_eq!(figures.spread, 51.0 / 101.0);
        assert_eq!(Figures::of(Vec::new()), None);
        let figures = Figures::of(vec![vec![9.0, 9.0], vec![1.0], vec![2.0]]);
        assert_eq!(figures.unwrap().median, 2.0);
    }

    #[test]
    fn samples_of_one_thing_make_one_row() {
        let rows = Row::of(vec![
            sample(Side::Ours, "read", 1, &[102.0]),
            sample(Side::C, "read", 1, &[100.0]),
            sample(Side::Ours, "write", 1, &[106.0]),
            sample(Side::C, "write", 1, &[100.0]),
            sample(Side::C, "read", 2, &[100.0]),
            sample(Side::Ours, "read", 2, &[102.0]),
        ]);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].op, "read");
        assert_eq!(
            rows[0].ours.as_ref().unwrap().runs,
            [vec![102.0], vec![102.0]]
        );
        assert_eq!(rows[0].ratio(), Some(1.02));
        assert_eq!(rows[0].is_met(), Some(true));
        assert_eq!(rows[1].is_met(), Some(false));
        assert_eq!(rows[1].userland, None);
    }

    #[test]
    fn each_aim_holds_for_its_row_alone() {
        let row = |case: &str, op: &str, unit: &str, cpus, elements, ours: f64| {
            let mut sample = sample(Side::Ours, op, 1, &[ours]);
            sample.case = case.into();
            sample.unit = unit.into();
            sample.cpus = cpus;
            sample.elements = elements;
            let mut c = sample.clone();
            (c.side, c.values) = (Side::C, vec![100.0]);
            Row::of(vec![sample, c]).remove(0)
        };
        let met = |case, op, unit, cpus, elements, ours| {
            row(case, op, unit, cpus, elements, ours).is_met()
        };
        let million = Some(1_000_000);
        assert_eq!(
            met("ksort", "auto", "instructions", 1, million, 45.0),
            Some(true)
        );
        assert_eq!(
            met("ksort", "auto", "instructions", 1, million, 45.1),
            Some(false)
        );
        assert_eq!(
            met("ksort", "auto", "instructions", 1, Some(1_000), 99.0),
            None
        );
        assert_eq!(
            met("ksort", "auto", "times faster", 4, million, 1.7),
            Some(true)
        );
        assert_eq!(met("ksort", "auto", "times faster", 2, million, 1.0), None);
        assert_eq!(met("ksort", "heap", "instructions", 1, million, 99.0), None);
        assert_eq!(met("ksort", ".text", "bytes", 1, None, 1001.0), Some(false));
        assert_eq!(met("simrupt", ".text", "bytes", 1, None, 350.0), Some(true));
        assert_eq!(met("hello", ".text", "bytes", 1, None, 1000.0), Some(true));
        assert_eq!(
            met("hello", "load", "instructions", 1, None, 103.1),
            Some(false)
        );
        assert_eq!(met("hello", ".ko", "bytes", 1, None, 200.0), None);
        assert_eq!(
            met("simrupt", "rate", "bytes a second", 1, None, 2e4),
            Some(true)
        );
        assert_eq!(
            met("simrupt", "byte", "instructions", 1, None, 102.1),
            Some(false)
        );
        assert_eq!(
            met("percpu_counter", "count", "nanoseconds", 4, None, 1.0),
            None
        );
    }

    #[test]
    fn a_line_of_the_guests_program_is_read() {
        let line = r#"{"case":"ksort","op":"auto","side":"userland","unit":"instructions","cpus":1,"elements":1000,"values":[1.5,2]}"#;
        let sample = Sample::parse(line, 2).unwrap();
        assert_eq!((sample.side, sample.run), (Side::Userland, 2));
        assert_eq!(
            (sample.elements, sample.values),
            (Some(1000), vec![1.5, 2.0])
        );
        let error = Sample::parse("Segmentation fault", 1).unwrap_err();
        assert!(error.to_string().contains("Segmentation fault"));
    }
}
