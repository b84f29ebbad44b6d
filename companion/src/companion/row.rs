//! Stored row of a share or a fetch: what the user wants, never its present state.

use std::path::PathBuf;

use minimodel::consent::Action;
use minimodel::transfer::FetchedFile;
use minimodel_verifier::Manifest;
use serde::{Deserialize, Serialize};

use crate::model::{Endpoint, Kind, NewFetch, NewShare, TransferLimits};
use crate::problem::{Problem, code};

/// Final state of a transfer as stored. A transfer that was stopped, or that may resume by itself, has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FinalState {
    /// The file is in its place.
    Done(PlacedFile),
    /// It failed and cannot resume by itself.
    Failed(Problem),
}

/// Paths of a fetched file as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlacedFile {
    /// The file.
    pub(super) path: PathBuf,
    /// Its receipt.
    pub(super) receipt: PathBuf,
}

impl From<FetchedFile> for PlacedFile {
    fn from(fetched: FetchedFile) -> Self {
        Self { path: fetched.imported.path, receipt: fetched.imported.receipt_path }
    }
}

/// One transfer as stored. Rows of earlier versions have fewer fields and are read as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TransferRow {
    #[serde(default)]
    pub(super) id: u64,
    pub(super) kind: Kind,
    /// The manifest's text; `None` while only an offer is known.
    pub(super) manifest: Option<String>,
    /// The swarm id, which an offer names too.
    #[serde(default)]
    pub(super) swarm_id: String,
    /// A share's file; a fetch's folder, or `None` for the library's own.
    pub(super) path: Option<PathBuf>,
    pub(super) receipt: Option<PathBuf>,
    pub(super) entry: Option<u64>,
    #[serde(default)]
    pub(super) endpoint: Endpoint,
    #[serde(default)]
    pub(super) limits: TransferLimits,
    #[serde(default)]
    pub(super) allow: Vec<String>,
    #[serde(default)]
    pub(super) offers: Vec<String>,
    #[serde(default)]
    pub(super) sequential: bool,
    #[serde(default)]
    pub(super) full_check: bool,
    #[serde(default)]
    pub(super) keep_seeding: bool,
    pub(super) stall_seconds: Option<u64>,
    /// The key that must have signed the manifest.
    #[serde(default)]
    pub(super) publisher_key: Option<String>,
    /// The user's exception for a manifest that is not signed with the key known of its publisher: the accepted key, or
    /// `unsigned`.
    #[serde(default)]
    pub(super) accepted_key: Option<String>,
    /// Grants that were given with this transfer and end with it.
    #[serde(default)]
    pub(super) grants: Vec<u64>,
    #[serde(default)]
    pub(super) paused: bool,
    pub(super) end: Option<FinalState>,
    /// The UDP port of the last run, or the one that it was to have and another program had: tried first, so that offers stay
    /// valid.
    pub(super) last_port: Option<u16>,
    #[serde(default)]
    pub(super) created_unix: u64,
}

impl TransferRow {
    /// Creates the row of a share.
    pub(super) fn share(
        new: NewShare,
        swarm_id: String,
        manifest: String,
        path: PathBuf,
        now_unix: u64,
    ) -> Self {
        Self {
            id: 0,
            kind: Kind::Share,
            manifest: Some(manifest),
            swarm_id,
            path: Some(path),
            receipt: None,
            entry: new.entry,
            endpoint: new.endpoint,
            limits: new.limits,
            allow: new.allow,
            offers: new.offers,
            sequential: false,
            full_check: false,
            keep_seeding: false,
            stall_seconds: None,
            publisher_key: None,
            accepted_key: new.consent.and_then(|consent| consent.accept_publisher_key),
            grants: Vec::new(),
            paused: false,
            end: None,
            last_port: None,
            created_unix: now_unix,
        }
    }

    /// Creates the row of a fetch.
    pub(super) fn fetch(new: NewFetch, swarm_id: String, now_unix: u64) -> Self {
        Self {
            id: 0,
            kind: Kind::Fetch,
            manifest: new.manifest,
            swarm_id,
            path: new.out,
            receipt: new.receipt,
            entry: None,
            endpoint: new.endpoint,
            limits: new.limits,
            allow: new.allow,
            offers: new.offers,
            sequential: new.sequential,
            full_check: new.full_check,
            keep_seeding: new.keep_seeding,
            stall_seconds: new.stall_seconds,
            publisher_key: new.publisher_key,
            accepted_key: new.consent.and_then(|consent| consent.accept_publisher_key),
            grants: Vec::new(),
            paused: false,
            end: None,
            last_port: None,
            created_unix: now_unix,
        }
    }

    /// Returns true if both rows want the same thing done in the same way. Limits, stall timeout, offers and the demanded or
    /// accepted publisher key may differ: they can change while the transfer runs.
    pub(super) fn wants_the_same(&self, other: &Self) -> bool {
        let compared = |row: &Self| Self {
            id: 0,
            manifest: None,
            entry: None,
            limits: TransferLimits::default(),
            offers: Vec::new(),
            stall_seconds: None,
            publisher_key: None,
            accepted_key: None,
            grants: Vec::new(),
            paused: false,
            end: None,
            last_port: None,
            created_unix: 0,
            ..row.clone()
        };
        compared(self) == compared(other)
    }

    /// Returns the actions that the transfer needs. A fetch without a manifest needs only `fetch`: nothing is known yet of what
    /// would be imported.
    pub(super) fn needs(&self) -> Vec<Action> {
        let executes = self.kind == Kind::Fetch && self.manifest.as_deref().is_some_and(executes_on_load);
        let executable = executes.then_some(Action::Executable);
        self.moves_by().iter().copied().chain(executable).collect()
    }

    fn moves_by(&self) -> &'static [Action] {
        match (self.kind, &self.manifest, &self.path) {
            (Kind::Share, ..) => &[Action::Serve],
            (Kind::Fetch, None, _) => &[Action::Fetch],
            (Kind::Fetch, Some(_), Some(_)) if self.keep_seeding => {
                &[Action::Fetch, Action::Import, Action::Serve]
            }
            (Kind::Fetch, Some(_), Some(_)) => &[Action::Fetch, Action::Import],
            (Kind::Fetch, Some(_), None) if self.keep_seeding => {
                &[Action::Fetch, Action::Import, Action::Cache, Action::Serve]
            }
            (Kind::Fetch, Some(_), None) => &[Action::Fetch, Action::Import, Action::Cache],
        }
    }

    /// Returns the optional actions that the user may agree to.
    pub(super) fn may(&self) -> Vec<Action> {
        let all: &[Action] = match self.kind {
            Kind::Share => &[Action::Publish, Action::Lan, Action::Dht, Action::Map],
            Kind::Fetch => &[
                Action::Import,
                Action::Cache,
                Action::Serve,
                Action::Publish,
                Action::Lan,
                Action::Dht,
                Action::Map,
            ],
        };
        let needs = self.needs();
        let cache_is_foreign = |action: &Action| *action == Action::Cache && self.path.is_some();
        all.iter().copied().filter(|action| !needs.contains(action) && !cache_is_foreign(action)).collect()
    }
}

/// True if the manifest's file can run code when a program loads it. The text is parsed only where it speaks of that at all.
fn executes_on_load(text: &str) -> bool {
    text.contains("artifact.executes_on_load")
        && parse(text).is_ok_and(|manifest| manifest.format().executes_on_load())
}

/// Parses a manifest's text.
pub(super) fn parse(text: &str) -> Result<Manifest, Problem> {
    Manifest::parse(text.as_bytes()).map_err(|error| {
        Problem::new(
            code::INVALID,
            "the manifest is not valid",
            "see every rule: `minimodel verify-manifest MANIFEST`",
        )
        .because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_state_of_a_row_keeps_its_stored_form() {
        let placed = PlacedFile { path: "/m/a.slm".into(), receipt: "/m/a.slm.receipt".into() };
        let stored = serde_json::to_string(&FinalState::Done(placed)).unwrap();
        assert_eq!(stored, r#"{"done":{"path":"/m/a.slm","receipt":"/m/a.slm.receipt"}}"#);
        let failed = FinalState::Failed(Problem::new(4, "e", "h"));
        let text = serde_json::to_string(&failed).unwrap();
        assert!(text.starts_with(r#"{"failed":{"#), "{text}");
        assert_eq!(serde_json::from_str::<FinalState>(&text).unwrap(), failed);
    }

    #[test]
    fn the_same_is_what_goes_to_the_same_place_in_the_same_way() {
        let new = NewFetch { out: Some("/o".into()), offers: vec!["mm1a".into()], ..NewFetch::default() };
        let row = |new: &NewFetch| TransferRow::fetch(new.clone(), "ab".repeat(32), 7);
        let running = TransferRow { id: 3, paused: true, last_port: Some(9), grants: vec![1], ..row(&new) };
        assert!(running.wants_the_same(&row(&new)));
        let more = NewFetch { offers: vec!["mm1b".into()], stall_seconds: Some(60), ..new.clone() };
        assert!(running.wants_the_same(&row(&more)));
        let limited =
            NewFetch { limits: TransferLimits { up: Some(1), ..TransferLimits::default() }, ..new.clone() };
        assert!(running.wants_the_same(&row(&limited)));
        assert!(!running.wants_the_same(&row(&NewFetch { keep_seeding: true, ..new.clone() })));
        assert!(!running.wants_the_same(&row(&NewFetch { allow: vec!["a".into()], ..new })));
    }
}
