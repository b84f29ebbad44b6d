//! The verdicts so far, one for each rule.

use std::fmt;

use super::error::SlmError;
use super::rule::Rule;
use crate::report::Report;

/// One verdict a rule. The first failure of a rule stays; a rule that was skipped somewhere can still fail
/// elsewhere, but never passes.
#[derive(Debug)]
pub(super) struct Board {
    verdicts: Vec<Verdict>,
}

#[derive(Debug, Clone)]
enum Verdict {
    Open,
    /// An earlier failure makes it impossible to decide the rule everywhere.
    Skipped,
    Pass(String),
    Fail(SlmError),
}

impl Board {
    pub(super) fn new() -> Self {
        Self { verdicts: vec![Verdict::Open; Rule::ALL.len()] }
    }

    pub(super) fn fail(&mut self, error: SlmError) {
        let verdict = self.verdict(error.rule());
        if !matches!(verdict, Verdict::Fail(_)) {
            *verdict = Verdict::Fail(error);
        }
    }

    pub(super) fn fail_if(&mut self, is_broken: bool, error: SlmError) {
        if is_broken {
            self.fail(error);
        }
    }

    /// Marks the rule as passed, unless it failed or was skipped before.
    pub(super) fn pass(&mut self, rule: Rule, found: impl fmt::Display) {
        let verdict = self.verdict(rule);
        if matches!(verdict, Verdict::Open) {
            *verdict = Verdict::Pass(found.to_string());
        }
    }

    /// Decides a rule at once: it fails with `broken`, or passes if there is no error.
    pub(super) fn decide(&mut self, rule: Rule, found: impl fmt::Display, broken: Option<SlmError>) {
        match broken {
            Some(error) => self.fail(error),
            None => self.pass(rule, found),
        }
    }

    pub(super) fn skip(&mut self, rules: &[Rule]) {
        for &rule in rules {
            let verdict = self.verdict(rule);
            if matches!(verdict, Verdict::Open) {
                *verdict = Verdict::Skipped;
            }
        }
    }

    pub(super) fn has_passed(&self, rule: Rule) -> bool {
        matches!(self.verdicts.get(rule as usize), Some(Verdict::Pass(_)))
    }

    pub(super) fn have_passed(&self, rules: &[Rule]) -> bool {
        rules.iter().all(|&rule| self.has_passed(rule))
    }

    pub(super) fn has_failed(&self, rule: Rule) -> bool {
        matches!(self.verdicts.get(rule as usize), Some(Verdict::Fail(_)))
    }

    pub(super) fn was_skipped(&self, rule: Rule) -> bool {
        matches!(self.verdicts.get(rule as usize), Some(Verdict::Skipped))
    }

    /// The failures, in the order of the rules.
    pub(super) fn errors(&self) -> impl Iterator<Item = &SlmError> {
        self.verdicts.iter().filter_map(|verdict| match verdict {
            Verdict::Fail(error) => Some(error),
            _ => None,
        })
    }

    /// The checks that were decided, in the order of the rules.
    pub(super) fn report(self) -> Report {
        let mut report = Report::new();
        for (rule, verdict) in Rule::ALL.iter().zip(self.verdicts) {
            match verdict {
                Verdict::Open | Verdict::Skipped => (),
                Verdict::Pass(found) => report.pass(rule.name(), found),
                Verdict::Fail(error) => report.fail(rule.name(), error.to_string(), rule.expected()),
            }
        }
        report
    }

    fn verdict(&mut self, rule: Rule) -> &mut Verdict {
        #[expect(clippy::expect_used, reason = "there is a place for every rule since `new`")]
        self.verdicts.get_mut(rule as usize).expect("one verdict a rule")
    }
}
