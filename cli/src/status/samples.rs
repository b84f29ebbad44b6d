//! Transfers for the tests of this folder.

use minimodel_companion::model::{Kind, Limits, Peer, Rates, State, Status, Transfer};

pub(super) use minimodel_companion::doctor::CAUSES;

/// Every state, and words that its display contains.
pub(super) const STATES: [(State, &str); 7] = [
    (State::Asking, "asks for your consent to fetch, import"),
    (State::Waiting, "waits"),
    (State::Preparing, "being"),
    (State::Running, "running"),
    (State::Paused, "transfer start 1"),
    (State::Done, "in place: /models/my-model.slm"),
    (State::Failed, "hint: mend it"),
];

pub(super) fn transfer(id: u64, kind: Kind, state: State) -> Transfer {
    Transfer {
        id,
        kind,
        state,
        model_id: "my-model".into(),
        model_version: "1".into(),
        swarm_id: "ab".repeat(32),
        path: "/models/my-model.slm".into(),
        have_bytes: 1 << 20,
        total_bytes: 4 << 20,
        down_rate: 1 << 19,
        created_utc: "2026-06-01T11:00:00Z".into(),
        ..Transfer::default()
    }
}

pub(super) fn peer(name: &str, down_rate: u64) -> Peer {
    Peer { peer: name.into(), down_rate, rtt_ms: 12.3, ..Peer::default() }
}

pub(super) fn status(transfers: Vec<Transfer>) -> Status {
    Status {
        version: "0.1.0".into(),
        label: None,
        pid: 7,
        started_utc: "2026-06-01T10:00:00Z".into(),
        peer: None,
        limits: Limits::default(),
        now: Rates { up: Some(1 << 20), ..Rates::default() },
        transfers,
    }
}
