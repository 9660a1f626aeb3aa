//! Results for other programs: JUnit's XML, and the kernel's KTAP (Documentation/dev-tools/ktap.rst).

use super::cases::{Test, Verdict};
use super::results::Outcome;
use std::fmt::Write;

/// One program's run in one guest.
pub struct Run {
    pub suite: String,
    /// The kernel and the number of CPUs.
    pub guest: String,
    pub outcome: Outcome,
    pub tests: Vec<Test>,
    /// The last of all that it said.
    pub tail: String,
}

impl Run {
    /// A test that stands for what no test tells: a guest that died, or a program without tests.
    fn whole(&self) -> Option<Test> {
        let is_told = self
            .tests
            .iter()
            .any(|test| test.verdict == Verdict::Failed);
        let is_missing = !self.outcome.is_good() && !is_told;
        is_missing.then(|| Test {
            name: "the run".into(),
            verdict: Verdict::Failed,
            output: format!("{}\n{}", self.outcome, self.tail),
        })
    }
}

/// A file that continuous integration reads.
pub fn junit(runs: &[Run]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for run in runs {
        let whole = run.whole();
        let tests: Vec<&Test> = run.tests.iter().chain(&whole).collect();
        let count = |verdict| tests.iter().filter(|test| test.verdict == verdict).count();
        let name = escape(&format!("{} ({})", run.suite, run.guest));
        // A String takes whatever is written.
        let _ = writeln!(
            text,
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" \
             time=\"{}\">",
            tests.len(),
            count(Verdict::Failed),
            count(Verdict::Ignored),
            run.outcome.seconds
        );
        for test in tests {
            let begin = format!(
                "    <testcase name=\"{}\" classname=\"{name}\"",
                escape(&test.name)
            );
            let _ = match test.verdict {
                Verdict::Passed => writeln!(text, "{begin}/>"),
                Verdict::Ignored => writeln!(text, "{begin}><skipped/></testcase>"),
                Verdict::Failed => writeln!(
                    text,
                    "{begin}><failure message=\"failed\">{}</failure></testcase>",
                    escape(&test.output)
                ),
            };
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// What the kernel's own tools read.
pub fn ktap(runs: &[Run]) -> String {
    let mut text = format!("KTAP version 1\n1..{}\n", runs.len());
    for (number, run) in runs.iter().enumerate() {
        let whole = run.whole();
        let tests: Vec<&Test> = run.tests.iter().chain(&whole).collect();
        let name = plain(&format!("{} ({})", run.suite, run.guest));
        let _ = writeln!(
            text,
            "  KTAP version 1\n  # Subtest: {name}\n  1..{}",
            tests.len()
        );
        for (number, test) in tests.into_iter().enumerate() {
            for line in test.output.lines() {
                let _ = writeln!(text, "  # {line}");
            }
            let (begin, end) = match test.verdict {
                Verdict::Passed => ("ok", ""),
                Verdict::Failed => ("not ok", ""),
                Verdict::Ignored => ("ok", " # SKIP ignored"),
            };
            let _ = writeln!(text, "  {begin} {} {}{end}", number + 1, plain(&test.name));
        }
        let begin = if run.outcome.is_good() {
            "ok"
        } else {
            "not ok"
        };
        let _ = writeln!(text, "{begin} {} {name}", number + 1);
    }
    text
}

/// Text for XML, of which no version has most of the control characters.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A description, in which a # would begin what is none.
fn plain(name: &str) -> String {
    name.replace('#', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> Vec<Run> {
        let test = |name: &str, verdict, output: &str| Test {
            name: name.into(),
            verdict,
            output: output.into(),
        };
        let run = |suite: &str, status, failed, tests| Run {
            suite: suite.into(),
            guest: "arm64, 1 CPU".into(),
            outcome: Outcome {
                status,
                passed: 1,
                failed,
                seconds: 2,
            },
            tests,
            tail: "Kernel panic".into(),
        };
        let passed = || test("a", Verdict::Passed, "");
        let failed = test("b#1", Verdict::Failed, "1 < \"2\" \u{1b}\n");
        let ignored = test("c", Verdict::Ignored, "");
        vec![
            run("one", Some(101), 1, vec![passed(), failed, ignored]),
            run("two", Some(122), 0, vec![passed()]),
        ]
    }

    #[test]
    fn junit_has_each_test_and_each_failures_output() {
        let text = junit(&runs());
        for part in [
            "<testsuite name=\"one (arm64, 1 CPU)\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\"",
            ">1 &lt; &quot;2&quot; \u{fffd}\n</failure>",
            "<testcase name=\"c\" classname=\"one (arm64, 1 CPU)\"><skipped/></testcase>",
            "<testsuite name=\"two (arm64, 1 CPU)\" tests=\"2\" failures=\"1\"",
            ">STATUS 122\nKernel panic</failure>",
        ] {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
    }

    #[test]
    fn ktap_has_a_subtest_for_each_run() {
        let expected = "\
KTAP version 1
1..2
  KTAP version 1
  # Subtest: one (arm64, 1 CPU)
  1..3
  ok 1 a
  # 1 < \"2\" \u{1b}
  not ok 2 b_1
  ok 3 c # SKIP ignored
not ok 1 one (arm64, 1 CPU)
  KTAP version 1
  # Subtest: two (arm64, 1 CPU)
  1..2
  ok 1 a
  # STATUS 122
  # Kernel panic
  not ok 2 the run
not ok 2 two (arm64, 1 CPU)
";
        assert_eq!(ktap(&runs()), expected);
    }
}
