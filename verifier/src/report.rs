//! Named checks in a stable order, with their outcomes.

use std::fmt;

/// The outcome of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The rule holds.
    Pass,
    /// The rule could not be decided, or holds with a reservation that the user should know.
    Warn,
    /// The rule is broken.
    Fail,
}

impl Outcome {
    /// The word used in reports and receipts: `pass`, `warn` or `fail`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One named check. `found` and `expected` are empty where a value says nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Stable, dotted, lowercase: `artifact.sha256`, `slm.header.magic`.
    pub name: &'static str,
    /// Its outcome.
    pub outcome: Outcome,
    /// The value that was found; may hold untrusted text: escape it before printing.
    pub found: String,
    /// The value or rule that it was compared with.
    pub expected: String,
}

impl Check {
    /// One line for people and for the `detail` of the JSON report.
    pub fn detail(&self) -> String {
        match (self.outcome, self.found.is_empty(), self.expected.is_empty()) {
            (_, true, true) => String::new(),
            (Outcome::Pass, false, _) => self.found.clone(),
            (_, _, true) => format!("found {}", self.found),
            (_, true, false) => format!("expected {}", self.expected),
            (_, false, false) => format!("found {}, expected {}", self.found, self.expected),
        }
    }
}

/// All checks of one question, in the order in which they are defined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    checks: Vec<Check>,
}

impl Report {
    /// An empty report.
    pub fn new() -> Self {
        Self::default()
    }

    /// The checks, in order.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The check called `name`, if it was reached.
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }

    /// True when at least one check was made and none failed; warnings do not make a report fail.
    pub fn ok(&self) -> bool {
        !self.checks.is_empty() && self.failures().next().is_none()
    }

    /// The checks that failed, in order.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.outcome == Outcome::Fail)
    }

    /// Adds one check.
    pub fn push(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// Adds a check that passed, with the value it saw.
    pub fn pass(&mut self, name: &'static str, found: impl Into<String>) {
        self.push(Check { name, outcome: Outcome::Pass, found: found.into(), expected: String::new() });
    }

    /// Adds a check that ended in a warning.
    pub fn warn(&mut self, name: &'static str, found: impl Into<String>, expected: impl Into<String>) {
        self.push(Check { name, outcome: Outcome::Warn, found: found.into(), expected: expected.into() });
    }

    /// Adds a check that failed.
    pub fn fail(&mut self, name: &'static str, found: impl Into<String>, expected: impl Into<String>) {
        self.push(Check { name, outcome: Outcome::Fail, found: found.into(), expected: expected.into() });
    }

    /// Adds a pass or a fail by comparing the two values.
    #[expect(clippy::needless_pass_by_value, reason = "numbers and digests read better without a reference")]
    pub fn equal<T: PartialEq + fmt::Display>(&mut self, name: &'static str, found: T, expected: T) {
        if found == expected {
            self.pass(name, found.to_string());
        } else {
            self.fail(name, found.to_string(), expected.to_string());
        }
    }

    /// Appends all checks of `other`.
    pub fn extend(&mut self, other: Self) {
        self.checks.extend(other.checks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_ok_only_with_checks_and_without_failures() {
        let mut report = Report::new();
        assert!(!report.ok());
        report.pass("a", "1");
        report.warn("b", "2", "3");
        assert!(report.ok());
        report.equal("c", 4, 5);
        assert!(!report.ok());
        assert_eq!(report.check("c").map(Check::detail).as_deref(), Some("found 4, expected 5"));
        assert_eq!(report.failures().count(), 1);
    }
}
