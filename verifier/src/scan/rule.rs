//! Named rules of a format, and the verdicts on them.

use crate::report::Report;

/// The rules of one format, in the order of its report.
pub(crate) trait Rules: Copy + PartialEq + 'static {
    /// Every rule.
    const ALL: &'static [Self];

    /// The name of its check.
    fn name(self) -> &'static str;

    /// What the rule asks for.
    fn expected(self) -> &'static str;
}

/// Declares the enum `Rule` of a format: a variant, the name of its check and what it asks for, a line each.
macro_rules! rules {
    ($format:literal $($rule:ident $name:literal $expected:literal;)*) => {
        #[doc = concat!("One rule of ", $format, ": one check of the report.")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = concat!("`", $name, "`: ", $expected, ".")] $rule,)*
        }

        impl Rule {
            /// Every rule, in the order of the report.
            pub const ALL: &[Self] = &[$(Self::$rule,)*];

            /// The name of its check.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)*
                }
            }

            /// What the rule asks for.
            pub fn expected(self) -> &'static str {
                match self {
                    $(Self::$rule => $expected,)*
                }
            }
        }

        impl crate::scan::rule::Rules for Rule {
            const ALL: &'static [Self] = Self::ALL;

            fn name(self) -> &'static str {
                self.name()
            }

            fn expected(self) -> &'static str {
                self.expected()
            }
        }
    };
}
pub(crate) use rules;

/// A broken rule, and what was found instead; may hold text of the file.
pub(crate) type Fault<R> = (R, String);

/// What a scan found: warnings, one a rule, and the failure that ended it.
#[derive(Debug)]
pub(crate) struct Verdicts<R> {
    warnings: Vec<Fault<R>>,
    failure: Option<Fault<R>>,
}

impl<R: Rules> Verdicts<R> {
    pub(crate) fn new() -> Self {
        Self { warnings: Vec::new(), failure: None }
    }

    /// Warns by a rule, the first time that it is met.
    pub(crate) fn warn(&mut self, rule: R, found: impl Into<String>) {
        if !self.warnings.iter().any(|(known, _)| *known == rule) {
            self.warnings.push((rule, found.into()));
        }
    }

    /// Fails by a rule; the first failure stays.
    pub(crate) fn fail(&mut self, (rule, found): Fault<R>) {
        self.failure.get_or_insert((rule, found));
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// The checks in their order. After a failure, what was not decided is absent.
    pub(crate) fn report(self) -> Report {
        let mut report = Report::new();
        let failed = self.failure.as_ref();
        for &rule in R::ALL {
            let warning = self.warnings.iter().find(|(known, _)| *known == rule);
            match (failed.filter(|(known, _)| *known == rule), warning) {
                (Some((_, found)), _) => report.fail(rule.name(), found.as_str(), rule.expected()),
                (None, Some((_, found))) => report.warn(rule.name(), found.as_str(), rule.expected()),
                (None, None) if failed.is_none() => report.pass(rule.name(), ""),
                (None, None) => {}
            }
        }
        report
    }
}
