//! The points of a sweep: all that its guests differ in.

use crate::guest::initramfs::is_variable;
use crate::kernels::which::Which;
use anyhow::{bail, Result};
use std::ffi::OsString;

/// A parameter of a module, and the values that it takes.
#[derive(Clone, Debug)]
pub struct Param {
    pub module: String,
    pub name: String,
    pub values: Vec<String>,
}

/// MODULE.NAME=VALUE,…
pub fn parse_param(text: &str) -> Result<Param, String> {
    let parts = text.split_once('=').and_then(|(param, values)| {
        let (module, name) = param.split_once('.')?;
        let values: Vec<String> = values.split(',').map(str::to_owned).collect();
        // The command has them in a variable, of which a shell makes words.
        let is_word = |value: &String| {
            let is_bad = |c: char| c.is_whitespace() || c.is_control() || "\"'\\*?[".contains(c);
            !value.is_empty() && !value.contains(is_bad)
        };
        let is_fine = is_variable(module) && is_variable(name) && values.iter().all(is_word);
        let (module, name) = (module.to_owned(), name.to_owned());
        is_fine.then_some(Param {
            module,
            name,
            values,
        })
    });
    parts.ok_or_else(|| "give MODULE.NAME=VALUE,…, such as simrupt.delay_ms=1,10".into())
}

/// Where one guest is between the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    pub kernel: Which,
    pub cpus: u32,
    /// Modules, their parameters, and the values.
    pub params: Vec<(String, String, String)>,
}

/// The product of all, the last parameter changing first.
pub fn product(kernels: &[Which], cpus: &[u32], params: &[Param]) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for kernel in kernels {
        points.extend(cpus.iter().map(|&cpus| Point {
            kernel: kernel.clone(),
            cpus,
            params: Vec::new(),
        }));
    }
    for param in params {
        let with = |point: &Point, value: &String| {
            let mut point = point.clone();
            let (module, name) = (param.module.clone(), param.name.clone());
            point.params.push((module, name, value.clone()));
            point
        };
        points = points
            .iter()
            .flat_map(|point| param.values.iter().map(move |value| with(point, value)))
            .collect();
    }
    let mut names: Vec<String> = points.iter().map(Point::name).collect();
    names.sort();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        bail!("the sweep has {} twice; give each value once", twice[0]);
    }
    for (number, param) in params.iter().enumerate() {
        let is_it = |other: &Param| (&other.module, &other.name) == (&param.module, &param.name);
        if params[..number].iter().any(is_it) {
            bail!("--param {}.{} is given twice", param.module, param.name);
        }
    }
    Ok(points)
}

impl Point {
    /// Its name, which is also that of its folder.
    pub fn name(&self) -> String {
        let mut parts = vec![self.kernel.to_string(), self.cpus.to_string()];
        let params = self.params.iter();
        parts.extend(params.map(|(module, param, value)| format!("{module}.{param}={value}")));
        let name = parts.join("-");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
        if name.len() < 128 && name.chars().all(is_plain) {
            return name;
        }
        // No folder is called that; what tells two of them apart is the sum.
        let sum = crc32fast::hash(name.as_bytes());
        let plain = name.chars().map(|c| if is_plain(c) { c } else { '_' });
        format!("{}-{sum:08x}", plain.take(100).collect::<String>())
    }

    /// For each module the variable of its name, with what insmod is to be given.
    pub fn variables(&self) -> Vec<OsString> {
        let mut variables: Vec<(&str, Vec<String>)> = Vec::new();
        for (module, name, value) in &self.params {
            let word = format!("{name}={value}");
            match variables.iter_mut().find(|(known, _)| known == module) {
                Some((_, words)) => words.push(word),
                None => variables.push((module, vec![word])),
            }
        }
        let pairs = variables.into_iter();
        pairs
            .map(|(name, words)| format!("{name}={}", words.join(" ")).into())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_has_each_point_once_in_order() {
        let params = ["simrupt.delay_ms=1,10", "simrupt.log=0", "hello.who=a/b"];
        let params = params.map(|text| parse_param(text).unwrap());
        let kernels = ["plain", "debug"].map(|name| name.parse::<Which>().unwrap());
        let points = product(&kernels, &[1, 4], &params).unwrap();
        assert_eq!(points.len(), 8);
        let first = &points[0];
        assert_eq!((&first.kernel, first.cpus), (&kernels[0], 1));
        assert_eq!(
            first.variables(),
            ["simrupt=delay_ms=1 log=0", "hello=who=a/b"]
        );
        let name = first.name();
        assert!(name.starts_with("plain-1-simrupt.delay_ms=1-simrupt.log=0-hello.who=a_b-"));
        assert_eq!(points[1].params[0].2, "10");
        assert_eq!(points[7].kernel, kernels[1]);
        assert!(product(&kernels, &[1, 1], &params).is_err());
        let twice = ["a.b=1", "a.b=2"].map(|text| parse_param(text).unwrap());
        let error = product(&kernels, &[1], &twice).unwrap_err().to_string();
        assert!(error.contains("a.b is given twice"), "{error}");
    }

    #[test]
    fn what_is_no_parameter_is_refused() {
        for text in [
            "", "a", "a.b", "a=1", "a.b=", "a.b=1,", "a b.c=1", "a.b=1 2", "a.b=*",
        ] {
            assert!(parse_param(text).is_err(), "{text:?}");
        }
    }
}
