//! The test programs: which there are, and what they say at their end.

use anyhow::{bail, Context, Result};
use std::io::BufRead;
use std::path::PathBuf;

/// The names and paths of the test programs in cargo's messages, which are lines of JSON. Those of
/// a build that failed are an error: not all programs are there.
pub fn programs(messages: impl BufRead) -> Result<Vec<(String, PathBuf)>> {
    let mut programs = Vec::new();
    let mut is_finished = false;
    for line in messages.lines() {
        let line = line.context("cannot read cargo's messages")?;
        let message: serde_json::Value = serde_json::from_str(&line)
            .with_context(|| format!("not one of cargo's messages: {line}"))?;
        is_finished |= message["reason"] == "build-finished" && message["success"] == true;
        let program = message["executable"].as_str();
        if message["profile"]["test"] != true {
            continue;
        }
        if let (Some(name), Some(path)) = (message["target"]["name"].as_str(), program) {
            programs.push((name.to_owned(), path.into()));
        }
    }
    if !is_finished {
        bail!("cargo has not built the test programs");
    }
    Ok(programs)
}

/// How many tests passed and failed, as a test program says at its end.
pub fn counts(output: &str) -> Option<(u32, u32)> {
    let line = output
        .lines()
        .rev()
        .find(|line| line.starts_with("test result: "))?;
    let number = |what: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let place = words.iter().position(|word| *word == what)?;
        words.get(place.checked_sub(1)?)?.parse().ok()
    };
    Some((number("passed;")?, number("failed;")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_programs_last_words_are_counted() {
        let output = "\
            test a ... ok\n\
            test result: FAILED. 84 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 58.86s\n\
            \n";
        assert_eq!(counts(output), Some((84, 1)));
        assert_eq!(counts("lab: a time-out\n"), None);
    }

    #[test]
    fn only_test_programs_are_taken_from_cargos_messages() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"abi"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","target":{"name":"tests"},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","target":{"name":"hello"},"profile":{"test":true},"executable":"/t/hello-1"}
{"reason":"build-finished","success":true}"#;
        let found = programs(messages.trim_start().as_bytes()).unwrap();
        assert_eq!(found, [("hello".to_owned(), PathBuf::from("/t/hello-1"))]);
        assert!(programs("error: no such thing\n".as_bytes()).is_err());
        let unfinished = messages.rsplit_once('\n').unwrap().0;
        assert!(programs(unfinished.trim_start().as_bytes()).is_err());
    }
}
