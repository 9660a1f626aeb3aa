//! The single tests of a program, as it tells of them.

use std::collections::BTreeMap;

/// What became of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed,
    Ignored,
}

/// A test of a program.
#[derive(Debug, PartialEq, Eq)]
pub struct Test {
    pub name: String,
    pub verdict: Verdict,
    /// What a failed one has printed.
    pub output: String,
}

/// The tests that have ended, in their order.
pub fn tests(output: &str) -> Vec<Test> {
    let mut outputs = outputs(output);
    let test = |line: &str| {
        let (name, word) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
        // An ignored one says why.
        let verdict = match word.split(',').next()?.trim() {
            "ok" => Verdict::Passed,
            "FAILED" => Verdict::Failed,
            "ignored" => Verdict::Ignored,
            _ => return None,
        };
        // It is marked if it is to panic.
        let name = name.strip_suffix(" - should panic").unwrap_or(name);
        Some(Test {
            name: name.to_owned(),
            verdict,
            output: outputs.remove(name).unwrap_or_default(),
        })
    };
    output.lines().filter_map(test).collect()
}

/// What the failed ones have printed, by their names.
fn outputs(output: &str) -> BTreeMap<&str, String> {
    let mut outputs: BTreeMap<&str, String> = BTreeMap::new();
    let mut current = None;
    for line in output.lines() {
        let heading = line.strip_prefix("---- ");
        match heading.and_then(|line| line.strip_suffix(" stdout ----")) {
            Some(name) => current = Some(name),
            None if line == "failures:" || line.starts_with("test result: ") => current = None,
            None => {
                if let Some(text) = current.map(|name| outputs.entry(name).or_default()) {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_has_its_verdict_and_a_failed_one_its_output() {
        let output = "\
running 4 tests
test a::b ... ok
test c - should panic ... ok
test d ... ignored, slow
test e ... FAILED

failures:

---- e stdout ----
thread 'e' panicked at 'no'

failures:
    e

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out
";
        let test = |name: &str, verdict, output: &str| Test {
            name: name.into(),
            verdict,
            output: output.into(),
        };
        assert_eq!(
            tests(output),
            [
                test("a::b", Verdict::Passed, ""),
                test("c", Verdict::Passed, ""),
                test("d", Verdict::Ignored, ""),
                test("e", Verdict::Failed, "thread 'e' panicked at 'no'\n\n"),
            ]
        );
    }
}
