//! Permissions: the fold of the log's grants and revocations. Pure: time and used bytes are arguments.

use std::collections::{BTreeMap, BTreeSet};

use super::Action;
use super::line::{Granted, Kind, Line};
use super::model::{Grant, GrantState};

/// All grants ever given, ended ones included.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let mut book = minimodel::consent::ConsentBook::open(home.state()?, home.data()?)?;
/// # let (now, swarm) = (minimodel::clock::now_unix(), "5e".repeat(32));
/// # let new = minimodel::consent::NewGrant::default();
/// # let actions = vec![minimodel::Action::Serve];
/// # book.grant(&minimodel::consent::NewGrant { actions, by: "dialog".into(), ..new }, now)?;
/// use minimodel::Action;
/// use minimodel::consent::Grants;
///
/// let grants: &Grants = book.grants();
/// assert!(grants.permission(Action::Serve, &swarm, now, |_number| 0).is_some());
/// assert!(!grants.permission(Action::Fetch, &swarm, now, |_number| 0).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    held: BTreeMap<u64, HeldGrant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct HeldGrant {
    grant: Granted,
    given_utc: String,
    is_revoked: bool,
}

/// Why nothing is permitted.
///
/// ```
/// use minimodel::Action;
/// use minimodel::consent::{Denied, Grants};
///
/// let nothing = Grants::default().permission(Action::Serve, &"5e".repeat(32), 0, |_number| 0);
/// let ask = match nothing.reason {
///     Some(Denied::Never) => "May this model be served?",
///     Some(Denied::Expired | Denied::Spent | Denied::Revoked) => "May it be served again?",
///     None => "",
/// };
/// assert_eq!(ask, "May this model be served?");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No grant for it was ever given.
    Never,
    /// The newest grant for it has expired.
    Expired,
    /// The newest grant for it is used up.
    Spent,
    /// The newest grant for it was revoked.
    Revoked,
}

/// What is permitted now for one action in one swarm.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let mut book = minimodel::consent::ConsentBook::open(home.state()?, home.data()?)?;
/// # let (now, swarm) = (minimodel::clock::now_unix(), "5e".repeat(32));
/// use minimodel::Action;
/// use minimodel::consent::{NewGrant, Permission};
///
/// let actions = vec![Action::Serve];
/// let new = NewGrant { actions, by: "dialog".into(), quota_bytes: Some(1_000), ..NewGrant::default() };
/// book.grant(&new, now)?;
/// let used = |_number| 400;
/// let permission: Permission = book.grants().permission(Action::Serve, &swarm, now, used);
/// assert!(permission.permits("any peer"));
/// // All of the quota has moved: the next permission permits nothing.
/// assert!(!book.grants().permission(Action::Serve, &swarm, now, |_number| 1_000).permits("any peer"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Permitted with any peer.
    pub anyone: bool,
    /// Permitted with these peers, by grants of their own.
    pub peers: BTreeSet<String>,
    /// When the next open grant expires, in seconds since 1970, and this must be computed again; `None`: none expires.
    pub ends_unix: Option<u64>,
    /// Why nothing is permitted; `None`: something is.
    pub reason: Option<Denied>,
}

impl Permission {
    /// Returns true if the action is permitted with at least one peer.
    pub fn is_some(&self) -> bool {
        self.anyone || !self.peers.is_empty()
    }

    /// Returns true if the action is permitted with this peer.
    pub fn permits(&self, peer: &str) -> bool {
        self.anyone || self.peers.contains(peer)
    }
}

impl HeldGrant {
    fn state(&self, now_unix: u64, used: u64) -> GrantState {
        if self.is_revoked {
            GrantState::Revoked
        } else if self.grant.expires_unix.is_some_and(|expires| expires <= now_unix) {
            GrantState::Expired
        } else if self.grant.quota_bytes.is_some_and(|quota| quota <= used) {
            GrantState::Spent
        } else {
            GrantState::Active
        }
    }

    fn is_for(&self, action: Action, swarm: &str) -> bool {
        self.grant.action == action && self.grant.model.as_deref().is_none_or(|model| model == swarm)
    }

    fn left(&self, used: u64) -> Option<u64> {
        self.grant.quota_bytes.map(|quota| quota.saturating_sub(used))
    }
}

/// What a transfer says of itself when it asks for a permission.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let mut book = minimodel::consent::ConsentBook::open(home.state()?, home.data()?)?;
/// # let now = minimodel::clock::now_unix();
/// # let new = minimodel::consent::NewGrant { quota_bytes: Some(1_000), ..Default::default() };
/// # let actions = vec![minimodel::Action::Serve];
/// # book.grant(&minimodel::consent::NewGrant { actions, by: "dialog".into(), ..new }, now)?;
/// use minimodel::Action;
/// use minimodel::consent::{Denied, GrantQuery};
///
/// // A chunk has more bytes than the grant has left.
/// let swarm = "5e".repeat(32);
/// let chunk = 16 << 10;
/// let query =
///     GrantQuery { swarm: &swarm, now_unix: now, used: &|_| 0, except: &|_| false, least_bytes: chunk };
/// let permission = book.grants().permission_for(Action::Serve, &query);
/// assert_eq!(permission.reason, Some(Denied::Spent));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct GrantQuery<'a> {
    /// The swarm id, in lowercase hex.
    pub swarm: &'a str,
    /// The time by the calendar clock, in seconds since 1970.
    pub now_unix: u64,
    /// The bytes that were used under the grant of this number.
    pub used: &'a dyn Fn(u64) -> u64,
    /// True for the number of a grant that belongs to other transfers.
    pub except: &'a dyn Fn(u64) -> bool,
    /// A grant that leaves fewer bytes, say less than a chunk, counts as spent.
    pub least_bytes: u64,
}

impl Grants {
    pub(super) fn of(lines: &[Line]) -> Self {
        let mut grants = Self::default();
        lines.iter().for_each(|line| grants.take(line));
        grants
    }

    pub(super) fn take(&mut self, line: &Line) {
        match &line.kind {
            Kind::Given(_) => {}
            Kind::Grant(grant) => {
                let held =
                    HeldGrant { grant: grant.clone(), given_utc: line.time.clone(), is_revoked: false };
                self.held.insert(line.number, held);
            }
            Kind::Revoke(revoked) => {
                if let Some(held) = self.held.get_mut(&revoked.grant) {
                    held.is_revoked = true;
                }
            }
            Kind::Restore(_) => self.held.values_mut().for_each(|held| held.is_revoked = true),
        }
    }

    /// Adds a grant that is not written yet.
    pub(super) fn suppose(&mut self, grant: &Granted) {
        let number = self.held.last_key_value().map_or(1, |(&last, _)| last.saturating_add(1));
        let held = HeldGrant { grant: grant.clone(), given_utc: String::new(), is_revoked: false };
        self.held.insert(number, held);
    }

    /// Leaves out grants that are about to be revoked.
    pub(super) fn leave_out(&mut self, ids: &[u64]) {
        self.held.retain(|id, _| !ids.contains(id));
    }

    /// Returns true if the grant was revoked; `None`: there is no such grant.
    pub(super) fn is_revoked(&self, id: u64) -> Option<bool> {
        self.held.get(&id).map(|held| held.is_revoked)
    }

    /// Returns true if a grant for this model (for any model where `None`) is neither revoked nor expired.
    pub(super) fn covers(&self, action: Action, model: Option<&str>, now_unix: u64) -> bool {
        self.held.values().any(|held| {
            let is_for = match model {
                Some(swarm) => held.is_for(action, swarm),
                None => held.grant.action == action && held.grant.model.is_none(),
            };
            is_for && held.state(now_unix, 0) == GrantState::Active
        })
    }

    /// Returns all grants, oldest first. `used`: payload bytes that moved under a grant, by its number.
    pub fn list(&self, now_unix: u64, used: impl Fn(u64) -> u64) -> Vec<Grant> {
        let told = |(&id, held): (&u64, &HeldGrant)| {
            let (grant, used_bytes) = (held.grant.clone(), used(id));
            Grant {
                id,
                action: grant.action,
                model: grant.model,
                peer: grant.peer,
                expires_unix: grant.expires_unix,
                quota_bytes: grant.quota_bytes,
                used_bytes,
                given_utc: held.given_utc.clone(),
                by: grant.by,
                state: held.state(now_unix, used_bytes),
            }
        };
        self.held.iter().map(told).collect()
    }

    /// Returns what is permitted of `action` for the model `swarm` (64 lowercase hex digits). Publishing announces that this
    /// machine serves, so it is permitted only while serving is.
    pub fn permission(
        &self,
        action: Action,
        swarm: &str,
        now_unix: u64,
        used: impl Fn(u64) -> u64,
    ) -> Permission {
        let used: &dyn Fn(u64) -> u64 = &used;
        self.permission_for(action, &GrantQuery { swarm, now_unix, used, except: &|_| false, least_bytes: 0 })
    }

    /// As [`Self::permission`], with all that a transfer has to say of itself.
    pub fn permission_for(&self, action: Action, query: &GrantQuery<'_>) -> Permission {
        let of = |action| self.of_action(action, query);
        let mut permission = of(action);
        if action == Action::Publish && permission.is_some() {
            let serving = of(Action::Serve);
            if !serving.is_some() {
                return serving;
            }
            permission.ends_unix = [permission.ends_unix, serving.ends_unix].into_iter().flatten().min();
        }
        permission
    }

    fn of_action(&self, action: Action, query: &GrantQuery<'_>) -> Permission {
        let &GrantQuery { swarm, now_unix, used, except, least_bytes } = query;
        let mut permission = Permission {
            anyone: false,
            peers: BTreeSet::new(),
            ends_unix: None,
            reason: Some(Denied::Never),
        };
        let ours = self.held.iter().filter(|&(&id, held)| held.is_for(action, swarm) && !except(id));
        for (&id, held) in ours {
            let used = used(id);
            let left = held.left(used);
            permission.reason = match held.state(now_unix, used) {
                GrantState::Active if left.is_none_or(|left| left >= least_bytes) => {
                    permission.open(&held.grant);
                    continue;
                }
                GrantState::Expired => Some(Denied::Expired),
                GrantState::Active | GrantState::Spent => Some(Denied::Spent),
                GrantState::Revoked => Some(Denied::Revoked),
            };
        }
        if permission.is_some() {
            permission.reason = None;
        }
        permission
    }

    /// Returns the grants of `action` for the model `swarm` that are neither expired nor revoked, without those for whose numbers
    /// `except` returns true. Order: the most specific first (peer and model, peer, model, any), then the oldest.
    pub fn open(
        &self,
        action: Action,
        swarm: &str,
        now_unix: u64,
        except: &dyn Fn(u64) -> bool,
    ) -> Vec<Open> {
        let ours = self.held.iter().filter(|&(&id, held)| held.is_for(action, swarm) && !except(id));
        let mut open: Vec<_> =
            ours.filter(|(_, held)| held.state(now_unix, 0) == GrantState::Active).collect();
        open.sort_by_key(|&(&id, held)| (held.grant.peer.is_none(), held.grant.model.is_none(), id));
        let told = |(&id, held): (&u64, &HeldGrant)| Open {
            grant: id,
            peer: held.grant.peer.clone(),
            quota_bytes: held.grant.quota_bytes,
        };
        open.into_iter().map(told).collect()
    }
}

/// A grant under which bytes may move now, within its quota.
///
/// ```
/// use minimodel::consent::{Open, charged};
///
/// // What is exchanged with this peer is charged to its own grant while that has room.
/// let of_peer = Open { grant: 2, peer: Some("alice".into()), quota_bytes: Some(1_000) };
/// let of_all = Open { grant: 1, peer: None, quota_bytes: None };
/// let open = [of_peer, of_all];
/// assert_eq!(charged(&open, "alice", 600, |_grant| 0), Some(2));
/// assert_eq!(charged(&open, "alice", 600, |_grant| 600), Some(1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its number.
    pub grant: u64,
    /// The peer that it is for; `None`: any peer.
    pub peer: Option<String>,
    /// Quota in payload bytes; `None`: no limit.
    pub quota_bytes: Option<u64>,
}

/// Returns the grant that `bytes` exchanged with `peer` are charged to: the first of `open` that has room for all of them.
/// `used`: payload bytes that moved under a grant, by its number.
pub fn charged(open: &[Open], peer: &str, bytes: u64, used: impl Fn(u64) -> u64) -> Option<u64> {
    let is_with = |open: &&Open| open.peer.as_deref().is_none_or(|with| with == peer);
    let has_room =
        |open: &&Open| open.quota_bytes.is_none_or(|quota| used(open.grant).saturating_add(bytes) <= quota);
    open.iter().filter(is_with).find(has_room).map(|open| open.grant)
}

impl Permission {
    fn open(&mut self, grant: &Granted) {
        self.ends_unix = [self.ends_unix, grant.expires_unix].into_iter().flatten().min();
        match &grant.peer {
            None => self.anyone = true,
            Some(peer) => {
                self.peers.insert(peer.clone());
            }
        }
    }
}
