//! Checks that must hold after a fetch was killed at any time, and counts of violations.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::model::{Fetcher, Model};
use crate::process::{Fate, Running, events};

/// Imports at once in one test: enough to keep two cores busy while some of them wait.
pub(super) const SIDE_BY_SIDE: u64 = 4;

/// Sums over all kills so far.
#[derive(Debug, Default)]
pub(super) struct Toll {
    pub(super) kills: u64,
    pub(super) runs: u64,
    /// Chunks in a record whose bytes are not there.
    pub(super) false_verified: usize,
    /// Other bytes under the final name, or a run that claimed success without a file.
    pub(super) wrong_files: u64,
    /// Recorded chunks that were fetched again.
    pub(super) recorded_again: usize,
    /// Most chunks that were sent twice on average over the kills of one import.
    pub(super) refetched_chunks_max: u64,
}

impl Toll {
    pub(super) fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.runs += other.runs;
        self.false_verified += other.false_verified;
        self.wrong_files += other.wrong_files;
        self.recorded_again += other.recorded_again;
        self.refetched_chunks_max = self.refetched_chunks_max.max(other.refetched_chunks_max);
    }

    /// Prints the figures, and asserts that no false chunk was believed and no recorded chunk lost.
    #[expect(clippy::print_stdout, reason = "a figure of record")]
    #[track_caller]
    pub(super) fn settle(&self, what: &str) {
        println!(
            "figure: {what}_kills={} false_verified={} wrong_files={} recorded_again={} refetched_chunks_max={} runs={}",
            self.kills,
            self.false_verified,
            self.wrong_files,
            self.recorded_again,
            self.refetched_chunks_max,
            self.runs
        );
        assert_eq!((self.false_verified, self.wrong_files, self.recorded_again), (0, 0, 0));
    }
}

/// One import that is killed now and then, and its state after the last kill.
pub(super) struct Victim<'m> {
    pub(super) fetcher: Fetcher<'m>,
    model: &'m Model,
    artifact: Vec<u8>,
    offer: String,
    /// Chunks in the record after the last kill.
    pub(super) recorded: BTreeSet<u32>,
    identity: Option<Vec<u8>>,
    /// Number of kills.
    kills: u64,
}

impl<'m> Victim<'m> {
    pub(super) fn new(model: &'m Model, offer: &str) -> Self {
        let artifact = fs::read(model.artifact()).unwrap();
        let (fetcher, offer) = (Fetcher::of(model), offer.to_owned());
        Self { fetcher, model, artifact, offer, recorded: BTreeSet::new(), identity: None, kills: 0 }
    }

    pub(super) fn line(&self) -> Command {
        let mut line = self.fetcher.line(&[&self.offer], &["--json"]);
        line.args(["--consent", "fetch,import"]);
        line
    }

    pub(super) fn start(&self) -> Running {
        Running::start(&mut self.line())
    }

    /// Checks the state after a run that was killed.
    pub(super) fn look(&mut self, fate: &Fate, toll: &mut Toll) {
        assert!(fate.is_killed(), "{fate:?}");
        (toll.kills, toll.runs) = (toll.kills + 1, toll.runs + 1);
        self.kills += 1;
        self.check_resumed(fate, toll);
        let target = fs::read(self.fetcher.artifact()).ok();
        let is_wrong = target.as_ref().is_some_and(|bytes| *bytes != self.artifact);
        let claims = events(&fate.stdout, "done").chain(events(&fate.stdout, "already-here")).count() > 0;
        let is_there = target.is_some() && self.fetcher.receipt_path().exists();
        toll.wrong_files += u64::from(is_wrong) + u64::from(claims && !is_there);
        self.recorded = self.fetcher.recorded();
        let bytes = target.or_else(|| fs::read(self.fetcher.part()).ok()).unwrap_or_default();
        let chunk_size = self.model.manifest.chunk_size() as usize;
        let chunk = |bytes: &[u8], index: u32| {
            let start = index as usize * chunk_size;
            bytes.get(start..bytes.len().min(start + chunk_size)).map(<[u8]>::to_vec)
        };
        let is_false = |index: &&u32| chunk(&bytes, **index) != chunk(&self.artifact, **index);
        toll.false_verified += self.recorded.iter().filter(is_false).count();
        self.check_consent();
        self.check_identity();
    }

    /// Asserts that the user's folder is created only after the consent is in the log.
    fn check_consent(&self) {
        let log = fs::read_to_string(self.fetcher.own("state/consent.log")).unwrap_or_default();
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        for line in whole.lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).unwrap()["actions"].is_array(), "{line}");
        }
        assert!(!whole.is_empty() || !self.fetcher.path("out").exists());
    }

    /// Asserts that an existing identity stays the same, byte for byte.
    fn check_identity(&mut self) {
        let now = fs::read(self.fetcher.own("data/identity.key")).ok();
        assert!(self.identity.is_none() || now == self.identity, "the identity was replaced");
        self.identity = now;
    }

    /// Counts recorded chunks that a run did not find again, and asserts that the run reports none as lost.
    fn check_resumed(&self, fate: &Fate, toll: &mut Toll) {
        for resumed in events(&fate.stdout, "resumed") {
            let found = resumed["have"].as_u64().unwrap() as usize;
            toll.recorded_again += self.recorded.len().saturating_sub(found);
            assert_eq!(resumed["lost"], 0, "{resumed}");
        }
    }

    /// Runs the same command without a kill: it finishes, and fetches nothing that was recorded.
    pub(super) fn finish(&mut self, toll: &mut Toll) {
        let fate = self.start().fate();
        assert_eq!(fate.status.code(), Some(0), "{fate:?}");
        toll.runs += 1;
        self.check_resumed(&fate, toll);
        self.check_identity();
        // One thread writes: a kill leaves at most one chunk that is written and not recorded. Where a run finds it
        // on disk, no record can name its supplier, however often that run or the next was killed.
        let found = self.fetcher.has_it_but_found();
        assert!(found <= self.kills, "{found} chunks were found on disk after {} kills", self.kills);
    }
}
