//! Kernel options: merging fragments, and telling which wishes a `.config` does not grant.

use anyhow::{bail, Result};
use std::collections::BTreeMap;

/// An option's value as `.config` writes it; `n` stands for "is not set".
type Options = BTreeMap<String, String>;

/// A wish that did not take effect.
#[derive(Debug, PartialEq, Eq)]
pub struct Dropped {
    pub option: String,
    pub wanted: String,
    pub actual: String,
}

/// Refuses a text of which [`parse`] would leave out a line that is no comment.
pub fn check(text: &str) -> Result<()> {
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        let is_comment = line.starts_with('#') && !line.starts_with("# CONFIG_");
        if !line.is_empty() && !is_comment && parse(line).is_empty() {
            bail!(
                "line {}: {line:?} is no option; one is CONFIG_X=y, or # CONFIG_X is not set",
                n + 1
            );
        }
    }
    Ok(())
}

/// Reads `CONFIG_X=value` and `# CONFIG_X is not set` lines; a later line overrides an earlier one.
fn parse(text: &str) -> Options {
    text.lines()
        .filter_map(|line| {
            let line = line.trim();
            if let Some(rest) = line.strip_prefix("# CONFIG_") {
                let name = rest.strip_suffix(" is not set")?;
                return Some((format!("CONFIG_{name}"), "n".to_owned()));
            }
            let (name, value) = line.split_once('=')?;
            name.starts_with("CONFIG_")
                .then(|| (name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Joins fragments into one text without repeated options, the later fragment winning.
pub fn merge(fragments: &[String]) -> String {
    parse(&fragments.join("\n"))
        .iter()
        .map(|(name, value)| match value.as_str() {
            "n" => format!("# {name} is not set\n"),
            _ => format!("{name}={value}\n"),
        })
        .collect()
}

/// The wishes of `fragment` that `config` does not grant.
pub fn dropped(fragment: &str, config: &str) -> Vec<Dropped> {
    let actual = parse(config);
    parse(fragment)
        .into_iter()
        .filter_map(|(option, wanted)| {
            let actual = actual.get(&option).map_or("n", String::as_str).to_owned();
            (actual != wanted).then_some(Dropped {
                option,
                wanted,
                actual,
            })
        })
        .collect()
}

/// The fragment that makes of the configuration `base` the configuration `other`.
pub fn difference(base: &str, other: &str) -> String {
    let (base, other) = (parse(base), parse(other));
    let value = |options: &Options, name: &str| -> String {
        options.get(name).map_or("n", String::as_str).to_owned()
    };
    let mut names: Vec<_> = base.keys().chain(other.keys()).collect();
    names.sort();
    names.dedup();
    let changed = names.into_iter().filter_map(|name| {
        let (was, is) = (value(&base, name), value(&other, name));
        // A number or a text that is gone is so because of what it depends on.
        let follows = !other.contains_key(name) && !["y", "m"].contains(&&*was);
        (was != is && !follows).then(|| format!("{name}={is}"))
    });
    merge(&changed.collect::<Vec<_>>())
}

/// How many options a fragment has.
pub fn count(text: &str) -> usize {
    parse(text).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_dropped_option_is_found() {
        let fragment =
            "CONFIG_A=y\nCONFIG_B=16\n# CONFIG_C is not set\nCONFIG_D=n\nCONFIG_E=y\n# a comment\n";
        let config = "CONFIG_A=y\nCONFIG_B=8\nCONFIG_C=y\n# CONFIG_E is not set\n";
        let options: Vec<_> = dropped(fragment, config)
            .into_iter()
            .map(|d| (d.option, d.wanted, d.actual))
            .collect();
        let expected = [
            ("CONFIG_B", "16", "8"),
            ("CONFIG_C", "n", "y"),
            ("CONFIG_E", "y", "n"),
        ]
        .map(|(o, w, a)| (o.to_owned(), w.to_owned(), a.to_owned()));
        assert_eq!(options, expected);
    }

    #[test]
    fn an_option_that_config_does_not_mention_is_off() {
        assert_eq!(dropped("# CONFIG_A is not set\n", ""), []);
        assert_eq!(dropped("CONFIG_A=m\n", "")[0].actual, "n");
    }

    #[test]
    fn what_is_no_option_is_refused_by_its_line() {
        let good = "\n# about\n CONFIG_A=y\n# CONFIG_B is not set\n#\nCONFIG_C=\"a b\"\n";
        assert!(check(good).is_ok());
        for bad in ["CONFIG_A", "A=y", "# CONFIG_A is unset", "CONFIG_A y"] {
            let said = check(&format!("CONFIG_Z=y\n{bad}\n")).unwrap_err();
            assert!(said.to_string().starts_with("line 2: "), "{said}");
        }
    }

    #[test]
    fn a_difference_makes_of_the_one_configuration_the_other() {
        let base = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_N=16\nCONFIG_T=\"a\"\nCONFIG_GONE=y\nCONFIG_SIZE=1\n";
        let other = "# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_N=16\nCONFIG_T=\"b\"\n# CONFIG_NEW is not set\n";
        assert_eq!(
            difference(base, other),
            "# CONFIG_A is not set\nCONFIG_B=y\n# CONFIG_GONE is not set\nCONFIG_T=\"b\"\n"
        );
        assert_eq!(difference(base, base), "");
    }

    #[test]
    fn the_later_fragment_wins() {
        let merged = merge(&[
            "CONFIG_A=y\nCONFIG_B=y".into(),
            "# CONFIG_A is not set".into(),
        ]);
        assert_eq!(merged, "# CONFIG_A is not set\nCONFIG_B=y\n");
    }
}
