//! One pair, and all of them.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use minimodel_benches::link::emulator;
use minimodel_benches::link::model::Profile;
use minimodel_benches::link::payload::MTU;
use minimodel_benches::link::routed::Routed;
use minimodel_benches::link::tun::Namespace;
use serde_json::Value;

use crate::args::Options;
use crate::programs::{Program, Running};
use crate::setting::{HIDDEN, INSIDE, LOOKS, MEMBER, PORT, Setting};

/// With this file and this rate the member alone serves for longer than a second meeting takes to come.
const BYTES: u64 = 16 << 20;
const MEMBER_RATE: &str = "100KiB";
/// A second meeting comes 65 s after the first one ended.
const BOTH_ROUNDS: Duration = Duration::from_secs(90);
const FIRST_ROUND: Duration = Duration::from_secs(12);

/// How it went with a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// Connected without an introduction, so long after the first packet of the dial.
    Dialed(Duration),
    /// Connected in this round.
    Met(u8, Duration),
    /// Told that it could not be met, so long after that packet.
    Told(Duration),
    /// Nothing of that.
    Silence,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dialed(after) => write!(f, "dialed             {:>6} ms", after.as_millis()),
            Self::Met(1, after) => write!(f, "met, first round   {:>6} ms", after.as_millis()),
            Self::Met(_, after) => write!(f, "met, second round  {:>6} ms", after.as_millis()),
            Self::Told(after) => write!(f, "not met, told after{:>6} ms", after.as_millis()),
            Self::Silence => f.write_str("neither met nor told"),
        }
    }
}

/// Runs the pairs, prints a line each and a summary, and returns how many went otherwise than the routers permit.
pub(crate) fn run_all(options: &Options) -> Result<usize> {
    let folder = tempfile::tempdir()?;
    let program = Program::new(options.minimodel.as_deref(), folder.path())?;
    program.sample(BYTES)?;
    let mut others = 0;
    let mut number = 0;
    for &loss in &options.loss {
        let mut outcomes = Vec::new();
        for setting in options.settings() {
            for _ in 0..options.runs {
                let one_way = Duration::from_micros(options.rtt * 500);
                let loss_share = f64::from(loss) / 100.0;
                let seed = options.seed + number;
                let plan =
                    Plan { program: &program, work: folder.path(), setting, one_way, loss: loss_share, seed };
                let outcome = run(&plan, number).with_context(|| setting.to_string())?;
                number += 1;
                let is_met = matches!(outcome, Outcome::Dialed(_) | Outcome::Met(..));
                let is_as_expected = is_met == setting.can_meet() && outcome != Outcome::Silence;
                others += usize::from(!is_as_expected);
                let remark = if is_as_expected { "" } else { "  <- not as the routers permit" };
                println!("{:<44} loss {loss} %  {outcome}{remark}", setting.to_string());
                outcomes.push((outcome, setting.can_meet()));
            }
        }
        println!("{}\n", summary(loss, &outcomes));
    }
    Ok(others)
}

/// A line on all pairs at one loss.
fn summary(loss: u8, outcomes: &[(Outcome, bool)]) -> String {
    let of = |wanted: &dyn Fn(&Outcome) -> Option<Duration>| {
        let mut found: Vec<Duration> = outcomes.iter().filter_map(|(outcome, _)| wanted(outcome)).collect();
        found.sort_unstable();
        found
    };
    let dialed = of(&|outcome| if let Outcome::Dialed(after) = outcome { Some(*after) } else { None });
    let first = of(&|outcome| if let Outcome::Met(1, after) = outcome { Some(*after) } else { None });
    let second = of(&|outcome| if let Outcome::Met(2, after) = outcome { Some(*after) } else { None });
    let told = of(&|outcome| if let Outcome::Told(after) = outcome { Some(*after) } else { None });
    let ms = |after: Option<&Duration>| {
        after.map_or_else(|| "-".to_owned(), |after| after.as_millis().to_string())
    };
    let can = outcomes.iter().filter(|(_, can)| *can).count();
    format!(
        "loss {loss} %: of {can} that can meet {} were dialed, {} met in the first round (median {} ms, worst {} ms) and {} in the \
         second; {} were told that they cannot, the last after {} ms",
        dialed.len(),
        first.len(),
        ms(first.get(first.len() / 2)),
        ms(first.last()),
        second.len(),
        told.len(),
        ms(told.last()),
    )
}

/// What a run needs.
struct Plan<'a> {
    program: &'a Program,
    work: &'a Path,
    setting: Setting,
    one_way: Duration,
    loss: f64,
    seed: u64,
}

/// Runs a pair in namespaces of its own.
fn run(plan: &Plan<'_>, number: u64) -> Result<Outcome> {
    let spaces = [Namespace::new()?, Namespace::new()?, Namespace::new()?];
    let hosts: Vec<_> = spaces.iter().zip(INSIDE).collect();
    let ends = Routed::join(&hosts, plan.setting.internet(), plan.seed)?;
    let profile = Profile {
        bits_per_second: 1_000_000_000,
        one_way: plan.one_way,
        loss: plan.loss,
        queue_bytes: 1 << 20,
        mtu: MTU,
    };
    let link = emulator::Running::start(ends, profile, 1, plan.seed)?;
    let start = |host: usize, role: &str, words: &[&str]| {
        let mut arguments: Vec<OsString> = words.iter().map(Into::into).collect();
        arguments.extend(["--listen".into(), format!("0.0.0.0:{PORT}").into()]);
        if let Some(address) = plan.setting.advertised(host) {
            arguments.extend(["--advertise".into(), address.to_string().into()]);
        }
        plan.program.start(&spaces[host], &format!("{role}{number}"), &arguments)
    };
    let (artifact, manifest) = (plan.program.artifact(), plan.program.manifest());
    let (artifact, manifest) = (artifact.to_string_lossy(), manifest.to_string_lossy());
    let seed = ["seed", &*manifest, &*artifact, "--consent", "serve,publish"];

    let member = start(MEMBER, "member", &[&seed[..], &["--up", MEMBER_RATE]].concat())?;
    let of_member = member.until("offer", None)?;
    let member_offer = text(&of_member, "offer");
    let hidden = start(HIDDEN, "hidden", &[&seed[..], &["--peer", member_offer]].concat())?;
    let of_hidden = hidden.until("offer", None)?;
    hidden.until("peer-joined", Some(("peer", text(&of_member, "peer"))))?;

    let out = plan.work.join(format!("out{number}"));
    let out = out.to_string_lossy();
    let fetch = ["fetch", &*manifest, "--consent", "fetch,import,serve,publish", "--out", &*out];
    let peers = ["--peer", member_offer, "--peer", text(&of_hidden, "offer")];
    let looks = start(LOOKS, "looks", &[&fetch[..], &peers].concat())?;
    let patience = if plan.setting.can_meet() { BOTH_ROUNDS } else { FIRST_ROUND };
    let end = end_of(&looks, text(&of_hidden, "peer"), patience)?;
    drop((member, hidden, looks));
    let (ends, _) = link.stop()?;
    // The dial of the member is another matter.
    let member_at = INSIDE[MEMBER];
    let sent = ends.first_sent().filter(|(host, to, _)| *host == LOOKS && to.ip() != member_at);
    let dialed = sent.map(|(_, _, at)| at).min().context("the seeder was never dialed")?;
    Ok(end.outcome(dialed))
}

/// The end of a pair.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    connected: Option<Instant>,
    /// By an introduction.
    is_met: bool,
    /// When it was first told that it could not be met.
    told: Option<Instant>,
}

impl End {
    fn outcome(self, dialed: Instant) -> Outcome {
        let round = if self.told.is_some() { 2 } else { 1 };
        match (self.connected, self.told) {
            (Some(at), _) if self.is_met => Outcome::Met(round, at - dialed),
            (Some(at), _) => Outcome::Dialed(at - dialed),
            (None, Some(at)) => Outcome::Told(at - dialed),
            (None, None) => Outcome::Silence,
        }
    }
}

/// Reads the events of the one that looks until the pair is connected, or for as long as that may take.
fn end_of(looks: &Running, hidden: &str, patience: Duration) -> Result<End> {
    let last = Instant::now() + patience;
    let mut end = End::default();
    while let Some((at, event)) = looks.next(last.saturating_duration_since(Instant::now()))? {
        if event["peer"] != hidden {
            continue;
        }
        match text(&event, "event") {
            "peer-not-met" => {
                end.told.get_or_insert(at);
                // There is no way: the second round changes nothing.
                if patience == FIRST_ROUND {
                    break;
                }
            }
            "peer-met" | "peer-joined" => {
                end.is_met = text(&event, "event") == "peer-met";
                end.connected = Some(at);
                break;
            }
            _ => {}
        }
    }
    Ok(end)
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_a_pair_names_round_and_time_since_the_dial() {
        let dialed = Instant::now();
        let after = |ms| Some(dialed + Duration::from_millis(ms));
        let ms = Duration::from_millis;
        let end = |connected, is_met, told| End { connected, is_met, told }.outcome(dialed);
        assert_eq!(end(after(100), false, None), Outcome::Dialed(ms(100)));
        assert_eq!(end(after(700), true, None), Outcome::Met(1, ms(700)));
        assert_eq!(end(after(70_000), true, after(4_900)), Outcome::Met(2, ms(70_000)));
        assert_eq!(end(None, false, after(4_900)), Outcome::Told(ms(4_900)));
        assert_eq!(end(None, false, None), Outcome::Silence);
    }

    #[test]
    fn summary_counts_rounds_and_has_the_median_of_the_first() {
        let ms = Duration::from_millis;
        let outcomes = [
            (Outcome::Met(1, ms(900)), true),
            (Outcome::Met(1, ms(700)), true),
            (Outcome::Met(1, ms(600)), true),
            (Outcome::Met(2, ms(70_000)), true),
            (Outcome::Told(ms(4_900)), false),
        ];
        let text = summary(2, &outcomes);
        assert!(text.contains(
            "of 4 that can meet 0 were dialed, 3 met in the first round (median 700 ms, worst 900 ms) and 1"
        ));
        assert!(text.ends_with("1 were told that they cannot, the last after 4900 ms"), "{text}");
        assert!(summary(0, &[]).contains("median - ms"));
    }
}
