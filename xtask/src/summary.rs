//! Counts of tests, read from what the test programs print, and the table at the end.

use std::fmt::Write;
use std::ops::AddAssign;
use std::time::Duration;

use crate::steps::seconds;

/// How many tests went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed; a check (formatting, lints, a build) that fails is one.
    pub failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Counts {
    /// The counts in one line of a test program's output, if it says any: cargo's "test result: ok. 3 passed; 1
    /// failed; ...", vitest's "Tests  1 failed | 3 passed (4)", or Node's "ℹ pass 3" and "ℹ fail 1".
    pub fn of_line(line: &str) -> Option<Self> {
        let line = plain(line);
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result:") {
            return Some(Self { passed: before(rest, "passed")?, failed: before(rest, "failed")? });
        }
        if let Some(rest) = line.strip_prefix("Tests ") {
            let (passed, failed) = (before(rest, "passed"), before(rest, "failed"));
            return (passed.is_some() || failed.is_some())
                .then(|| Self { passed: passed.unwrap_or(0), failed: failed.unwrap_or(0) });
        }
        let rest = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# "))?;
        let (word, number) = rest.split_once(' ')?;
        let number = number.parse().ok()?;
        match word {
            "pass" => Some(Self { passed: number, failed: 0 }),
            // Node counts a test cut off by its time limit apart from the failed ones.
            "fail" | "cancelled" => Some(Self { passed: 0, failed: number }),
            _ => None,
        }
    }
}

/// The number that stands before a word: 3 in "ok. 3 passed; 1 failed".
fn before(text: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.iter().position(|found| found.trim_end_matches([';', ',', '.']) == word)?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

/// A line without the escape sequences that colour it.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            out.push(character);
        }
    }
    out
}

/// How one step went.
pub struct Outcome {
    /// What the step checks.
    pub what: &'static str,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub end: End,
}

/// How a step ended.
pub enum End {
    /// It ran; its counts decide.
    Ran(Counts),
    /// It could not run, because of the step named here.
    Skipped(&'static str),
}

impl Outcome {
    fn counts(&self) -> Counts {
        match self.end {
            End::Ran(counts) => counts,
            End::Skipped(_) => Counts::default(),
        }
    }
}

/// The table of all steps, its last line the sum.
pub fn table(outcomes: &[Outcome]) -> (String, Counts) {
    let mut text = String::new();
    let mut total = Counts::default();
    for outcome in outcomes {
        let counts = outcome.counts();
        total += counts;
        let verdict = match (&outcome.end, counts) {
            (End::Skipped(reason), _) => format!("not run: {reason} failed"),
            (_, Counts { passed: 0, failed: 0 }) => "ok".to_owned(),
            (_, Counts { passed: 0, failed: 1 }) => "FAILED".to_owned(),
            (_, Counts { passed, failed: 0 }) => format!("ok, {passed} passed"),
            (_, Counts { passed, failed }) => format!("FAILED, {passed} passed, {failed} failed"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:<28} {:>11}  {verdict}", outcome.what, seconds(outcome.took));
    }
    let _ = write!(text, "\n{} passed, {} failed", total.passed, total.failed);
    (text, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64) -> Option<Counts> {
        Some(Counts { passed, failed })
    }

    #[test]
    fn reads_cargo() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(Counts::of_line(line), counts(12, 3));
        assert_eq!(Counts::of_line("test result: ok. 0 passed; 0 failed; 0 ignored"), counts(0, 0));
        assert_eq!(Counts::of_line("test server::tests::reads ... ok"), None);
    }

    #[test]
    fn reads_vitest_in_colour() {
        assert_eq!(
            Counts::of_line("\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[32m7 passed\u{1b}[39m (7)"),
            counts(7, 0)
        );
        assert_eq!(Counts::of_line("      Tests  1 failed | 6 passed (7)"), counts(6, 1));
        assert_eq!(Counts::of_line(" Test Files  3 passed (3)"), None);
    }

    #[test]
    fn reads_node() {
        assert_eq!(Counts::of_line("ℹ pass 5"), counts(5, 0));
        assert_eq!(Counts::of_line("\u{1b}[34mℹ fail 2\u{1b}[39m"), counts(0, 2));
        assert_eq!(Counts::of_line("ℹ cancelled 1"), counts(0, 1));
        assert_eq!(Counts::of_line("ℹ tests 7"), None);
        assert_eq!(Counts::of_line("ℹ duration_ms 12.5"), None);
    }

    #[test]
    fn the_last_line_is_the_sum() {
        let took = Duration::from_secs(1);
        let (text, total) = table(&[
            Outcome { what: "Formatting", took, end: End::Ran(Counts::default()) },
            Outcome { what: "Rust tests", took, end: End::Ran(Counts { passed: 5, failed: 1 }) },
            Outcome { what: "Lints", took, end: End::Ran(Counts { passed: 0, failed: 1 }) },
            Outcome { what: "Page", took, end: End::Skipped("engine") },
        ]);
        assert_eq!(text.lines().last(), Some("5 passed, 2 failed"));
        assert_eq!(total, Counts { passed: 5, failed: 2 });
        assert!(text.contains("not run: engine failed"), "{text}");
    }
}
