//! Tests of the log against damage and crashes, and of the fold of its grants.

mod batch;
mod crashes;
mod damage;
mod fold;
mod rolled_back;

use proptest::prelude::*;

use super::line::{Given, Granted, Kind, Line, Revoked};
use super::{Action, NewGrant};

pub(super) const NOW: u64 = 1_780_315_200;

/// Returns the data folder of a state folder in these tests.
pub(super) fn data(state: &std::path::Path) -> std::path::PathBuf {
    state.join("data")
}

/// Removes the record of seen lines, for states that a crash leaves before the first one.
pub(super) fn unsee(state: &std::path::Path) {
    let _ = std::fs::remove_dir_all(data(state));
}

pub(super) fn swarm(n: u8) -> String {
    format!("{n:02x}").repeat(32)
}

pub(super) fn peer(n: u8) -> String {
    minimodel_wire::PeerId([n; 32]).to_string()
}

pub(super) fn given() -> Given {
    Given {
        verb: "fetch".to_owned(),
        actions: vec![Action::Fetch, Action::Import],
        swarm_id: Some(swarm(0x53)),
        by: "flag".to_owned(),
        spelled: "--consent fetch,import".to_owned(),
    }
}

pub(super) fn new_grant(actions: &[Action]) -> NewGrant {
    NewGrant {
        actions: actions.to_vec(),
        by: "prompt".to_owned(),
        expires_unix: None,
        quota_bytes: None,
        model: None,
        peer: None,
    }
}

/// A line of another version.
pub(super) const FOREIGN: &str = "{\"version\":2,\"time\":\"2026-06-01T12:00:00Z\",\"verb\":\"fetch\",\"actions\":[\"fetch\",\
                                  \"import\"],\"swarm_id\":null,\"by\":\"flag\",\"spelled\":\"--consent fetch,import\"}\n";

/// A log and its head.
pub(super) struct Built {
    pub(super) log: Vec<u8>,
    pub(super) head: String,
}

pub(super) fn build(kinds: &[Kind]) -> Built {
    let mut built = Built { log: Vec::new(), head: String::new() };
    let mut prev = minimodel_verifier::digest::hex(&minimodel_verifier::sha256(b""));
    for (at, kind) in kinds.iter().enumerate() {
        let number = at as u64 + 1;
        let sealed = Line::new(number, NOW + number, prev, kind.clone()).seal().unwrap();
        built.log.extend_from_slice(sealed.text.as_bytes());
        built.head = super::chain::Head::new(number, sealed.hash.clone()).render().unwrap();
        prev = sealed.hash;
    }
    built
}

pub(super) fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    let action = proptest::sample::select(Action::ALL.to_vec());
    let few = 1_u8..4;
    let grant = (
        action,
        proptest::option::of(few.clone()),
        proptest::option::of(few),
        proptest::option::of(NOW..NOW + 20),
        proptest::option::of(1_u64..20),
    )
        .prop_map(|(action, model, with, expires_unix, quota_bytes)| {
            let (model, with) = (model.map(swarm), with.map(peer));
            Kind::Grant(Granted {
                action,
                model,
                peer: with,
                expires_unix,
                quota_bytes,
                by: "api".to_owned(),
            })
        });
    let revoke = (1_u64..12).prop_map(|grant| Kind::Revoke(Revoked { grant, by: "flag".to_owned() }));
    let kind = prop_oneof![1 => Just(Kind::Given(given())), 4 => grant, 2 => revoke];
    proptest::collection::vec(kind, 1..12)
}
