//! The goals of `docs/faults.md`: the demand on each figure.

use std::fmt;

use super::figures::Figures;

/// One demand.
#[derive(Debug)]
pub(crate) struct Goal {
    /// The goal's number.
    pub(crate) id: &'static str,
    /// The suite that prints the figure.
    pub(crate) suite: &'static str,
    /// What is counted.
    pub(crate) what: &'static str,
    figure: &'static str,
    of_many: OfMany,
    /// The demand on the figure.
    pub(crate) demand: Demand,
}

/// How the values of a figure that is printed more than once are combined.
#[derive(Debug, Clone, Copy)]
enum OfMany {
    Sum,
    Least,
    Most,
}

/// What a figure must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Demand {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// This or more, on a dedicated machine: shown, and never decides.
    AloneAtLeast(f64),
}

/// The verdict on a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    Missing,
    /// Missed, on a machine that may be shared.
    Below,
}

const fn goal(
    id: &'static str,
    suite: &'static str,
    what: &'static str,
    figure: &'static str,
    of_many: OfMany,
    demand: Demand,
) -> Goal {
    Goal { id, suite, what, figure, of_many, demand }
}

use Demand::{AloneAtLeast, AtLeast, AtMost};
use OfMany::{Least, Most, Sum};

/// All goals, in the order of the page.
pub(crate) const GOALS: &[Goal] = &[
    goal("G-1", "mutations", "fuzz targets run over their corpus", "fuzz_targets", Sum, AtLeast(10.0)),
    goal("G-1", "mutations", "mutations of the corpus", "fuzz_runs", Sum, AtLeast(50_000.0)),
    goal("G-2", "sim", "simulated worlds", "worlds", Sum, AtLeast(2_000.0)),
    goal("G-3", "mutations", "changed chunks and proofs", "mutations", Sum, AtLeast(100_000.0)),
    goal("G-3", "mutations", "of these accepted", "false_accepts", Sum, AtMost(0.0)),
    goal("G-3", "mutations", "honest ones refused", "false_rejects", Sum, AtMost(0.0)),
    goal("G-4", "kills", "kills of the real binary", "*_kills", Sum, AtLeast(300.0)),
    goal("G-4", "kills", "chunks falsely believed after them", "false_verified", Sum, AtMost(0.0)),
    goal("G-4", "kills", "wrong final files", "wrong_files", Sum, AtMost(0.0)),
    goal("G-4", "kills", "recorded chunks fetched again", "recorded_again", Sum, AtMost(0.0)),
    goal("G-5", "store", "crash states recovered from", "crash_states", Sum, AtLeast(20_000.0)),
    goal("G-5", "store", "runs with one failing disk call", "single_io_faults", Sum, AtLeast(1.0)),
    goal("G-5", "store", "contract broken", "violations", Sum, AtMost(0.0)),
    goal(
        "G-6",
        "sim",
        "ms from the last byte of a bad chunk to the ban",
        "ban_latency_ms",
        Most,
        AtMost(10.0),
    ),
    goal(
        "G-7",
        "sim",
        "ms until a silent peer's chunk is asked of another",
        "stall_hedge_ms",
        Most,
        AtMost(5_250.0),
    ),
    goal("G-7", "sim", "ms until it is given up", "stall_give_up_ms", Most, AtMost(20_250.0)),
    goal(
        "G-8",
        "sim",
        "of the honest rate with 10 % hostile peers",
        "hostile10_rate_kept",
        Least,
        AtLeast(0.95),
    ),
    goal("G-8", "sim", "wasted with 10 % hostile peers", "hostile10_wasted", Most, AtMost(0.02)),
    goal("G-8", "sim", "of the honest rate with 50 %", "hostile50_rate_kept", Least, AtLeast(0.90)),
    goal("G-8", "sim", "of the honest rate with 90 %", "hostile90_rate_kept", Least, AtLeast(0.90)),
    goal("G-8", "sim", "of the honest rate with 99 %", "hostile99_rate_kept", Least, AtLeast(0.3)),
    goal("G-9", "sim", "honest peers banned", "false_bans", Sum, AtMost(0.0)),
    goal("G-10", "siege", "besiegers, each of whom comes again", "besiegers", Most, AtLeast(256.0)),
    goal("G-10", "siege", "of their connections open at once", "most_open", Most, AtLeast(64.0)),
    goal("G-10", "siege", "of the honest rate meanwhile", "rate_kept", Least, AloneAtLeast(0.8)),
    goal("G-10", "siege", "MiB that the seeder grew", "rss_growth_mib", Most, AtMost(128.0)),
    goal("G-11", "kills", "ms from a signal to the end", "shutdown_ms", Most, AtMost(2_000.0)),
    goal("G-12", "rows", "rows of the catalogue with a test", "rows_with_tests", Sum, AtLeast(100.0)),
];

impl Goal {
    /// Returns the figure as it is shown, and the verdict.
    pub(crate) fn judge(&self, figures: &Figures) -> (String, Verdict) {
        let values = figures.of(self.figure);
        let least = || values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = || values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if values.is_empty() {
            return ("not printed".to_owned(), Verdict::Missing);
        }
        let value = match self.of_many {
            OfMany::Sum => values.iter().sum(),
            OfMany::Least => least(),
            OfMany::Most => most(),
        };
        let verdict = match self.demand {
            AtLeast(bound) if value >= bound => Verdict::Met,
            AtMost(bound) if value <= bound => Verdict::Met,
            AloneAtLeast(bound) if value >= bound => Verdict::Met,
            AloneAtLeast(_) => Verdict::Below,
            AtLeast(_) | AtMost(_) => Verdict::Missed,
        };
        (format!("{value}"), verdict)
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AtLeast(bound) => write!(f, "at least {bound}"),
            AtMost(bound) => write!(f, "at most {bound}"),
            AloneAtLeast(bound) => write!(f, "at least {bound} on an idle machine"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::Missing => "MISSING",
            Self::Below => "below",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_is_missing_or_beyond_its_bound_is_no_success() {
        let goal = |of_many, demand| Goal { id: "", suite: "", what: "", figure: "n", of_many, demand };
        let mut figures = Figures::default();
        let judge = |figures: &Figures, of_many, demand| goal(of_many, demand).judge(figures).1;
        assert_eq!(judge(&figures, Sum, AtMost(0.0)), Verdict::Missing);
        figures.take("figure: n=3");
        figures.take("figure: n=4");
        assert_eq!(goal(Sum, AtLeast(7.0)).judge(&figures), ("7".to_owned(), Verdict::Met));
        assert_eq!(judge(&figures, Least, AtLeast(4.0)), Verdict::Missed);
        assert_eq!(judge(&figures, Most, AtMost(3.0)), Verdict::Missed);
        assert_eq!(judge(&figures, Most, AtMost(4.0)), Verdict::Met);
        assert_eq!(judge(&figures, Least, AloneAtLeast(5.0)), Verdict::Below);
    }
}
