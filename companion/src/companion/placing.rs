//! How a request stands to a transfer that is there.

use super::desired::Desired;
use super::row::{FinalState, TransferRow};
use super::state::State;
use crate::model::validate;
use crate::problem::{Problem, code};

/// How a request stands to the row of the same kind, swarm and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placing {
    /// There is none.
    New,
    /// It takes the place of that row, under a number of its own.
    Instead,
    /// It is that row, perhaps with other options.
    Same {
        /// A run is to begin anew.
        restarts: bool,
    },
}

impl Placing {
    /// Decides how a request stands to the row of the same kind, swarm and place, and completes it by what that row has. Changes
    /// no state.
    pub(super) fn of(state: &State, old: &TransferRow, row: &mut TransferRow) -> Result<Self, Problem> {
        let may_be_asked =
            !matches!(old.end, Some(FinalState::Done(_))) && state.permits(old).lacks_consent();
        // A key that was demanded once stays demanded until the transfer is removed.
        row.publisher_key = row.publisher_key.take().or_else(|| old.publisher_key.clone());
        let is_same = old.wants_the_same(row) && (!may_be_asked || row.publisher_key == old.publisher_key);
        let has_more = row.offers.iter().any(|offer| !old.offers.contains(offer));
        if may_be_asked && (has_more || !is_same) {
            return Ok(Self::Instead);
        }
        // A run whose consent was revoked, or that was paused, ends at the next reconcile and is in no request's way.
        let goes_on = !matches!(state.desired_of(old), Desired::Rest(..));
        if !is_same && goes_on && state.runs.of(old.id).is_some() {
            return Err(Problem::new(
                code::BUSY,
                format!("transfer {} does this already, in another way", old.id),
                format!(
                    "let it be, or end it first: `minimodel transfer pause {0}`; rates and slots change with \
                     `minimodel transfer limit {0}`",
                    old.id
                ),
            ));
        }
        (row.id, row.created_unix, row.last_port) = (old.id, old.created_unix, old.last_port);
        if old.allow == row.allow {
            row.grants.clone_from(&old.grants);
        }
        row.accepted_key = row.accepted_key.take().or_else(|| old.accepted_key.clone());
        row.entry = row.entry.or(old.entry);
        row.manifest = row.manifest.take().or_else(|| old.manifest.clone());
        let before = old.offers.iter().filter(|offer| !row.offers.contains(offer)).cloned();
        row.offers = row.offers.iter().cloned().chain(before).take(validate::MAX_OFFERS).collect();
        // The run restarts with the additional offers, or with the new options.
        Ok(Self::Same { restarts: has_more || !is_same })
    }
}
