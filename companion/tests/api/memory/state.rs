//! The state of the service in memory.

use std::collections::BTreeMap;

use minimodel::consent::{Action, Grant, GrantState, NewGrant};
pub(crate) use minimodel_companion::model::State as Stands;
use minimodel_companion::model::{Announcement, Entry, Kind, Limits, NewFetch, NewShare, Transfer};

use crate::example::example;

/// The whole state, in a form that can be compared.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct State {
    pub(crate) next: u64,
    pub(crate) transfers: BTreeMap<u64, Transfer>,
    pub(crate) shares: Vec<NewShare>,
    pub(crate) fetches: Vec<NewFetch>,
    pub(crate) limits: Limits,
    pub(crate) grants: Vec<Grant>,
    pub(crate) announcements: Vec<Announcement>,
    pub(crate) entries: BTreeMap<u64, (Entry, String)>,
    pub(crate) stops: u32,
    /// Maps of chunks that were made.
    pub(crate) maps: u32,
}

impl State {
    pub(super) fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn grant(&mut self, action: Action, new: &NewGrant) -> Grant {
        let grant = Grant {
            id: self.id(),
            action,
            model: new.model.clone(),
            peer: new.peer.clone(),
            expires_unix: new.expires_unix,
            quota_bytes: new.quota_bytes,
            used_bytes: 0,
            given_utc: "2026-11-21T00:00:00Z".into(),
            by: new.by.clone(),
            state: GrantState::Active,
        };
        self.grants.push(grant.clone());
        grant
    }

    /// Adds an [`example`] of a transfer.
    pub(crate) fn add(&mut self, kind: Kind, state: Stands) -> Transfer {
        let transfer = example(self.id(), kind, state);
        self.transfers.insert(transfer.id, transfer.clone());
        transfer
    }
}
