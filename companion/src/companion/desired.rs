//! Desired state of a transfer: one pure decision from the user's wishes, the consents and the hour.

use minimodel::consent::Action;
use minimodel::transfer::Ways;

use crate::model::{Cause, Kind, State};

use super::row::{FinalState, TransferRow};

/// Reason why an action is not permitted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The user never agreed to it for this model.
    Never,
    /// Its grant expired or was revoked.
    Over,
    /// The grant's quota is used up.
    Spent,
}

/// Inputs of the decision besides the row.
#[derive(Clone, Debug, Default)]
pub(super) struct DesiredInputs {
    /// Actions that are permitted now.
    pub(super) permitted: Vec<Action>,
    /// Actions that the transfer needs and that are not permitted.
    pub(super) missing: Vec<(Action, Missing)>,
    /// The schedule pauses all transfers at this hour.
    pub(super) hour_is_closed: bool,
    /// The last run ended without success and is in backoff, for this cause.
    pub(super) pause_after: Option<Cause>,
    /// Another fetch of the same model runs. Two connections of one key in one swarm replace each other, so that two fetches
    /// would take turns at each peer and lose what was under way.
    pub(super) is_second: bool,
}

/// Desired state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Desired {
    /// Run nothing; shown with this state and cause.
    Rest(State, Option<Cause>),
    /// Ask for the manifest.
    FetchManifest,
    /// Move bytes.
    Run {
        /// Serve the chunks that are there.
        serves: bool,
        /// Let peers pass the offer on.
        publishes: bool,
        /// Further ways to be found and reached.
        ways: Ways,
    },
}

/// Decides the desired state. In order of precedence: the end or the user's pause, then consent, then the hour, then backoff
/// after a failure, then another fetch of the model.
pub(super) fn desired(row: &TransferRow, inputs: &DesiredInputs) -> Desired {
    match &row.end {
        Some(FinalState::Done(_)) => return Desired::Rest(State::Done, None),
        Some(FinalState::Failed(_)) => return Desired::Rest(State::Failed, None),
        None => {}
    }
    if row.paused {
        return Desired::Rest(State::Paused, Some(Cause::Paused));
    }
    if let Some((_, missing)) = inputs.missing.first() {
        return match missing {
            Missing::Never => Desired::Rest(State::Asking, Some(Cause::ConsentMissing)),
            Missing::Over => Desired::Rest(State::Waiting, Some(Cause::ConsentMissing)),
            Missing::Spent => Desired::Rest(State::Waiting, Some(Cause::Quota)),
        };
    }
    if inputs.hour_is_closed {
        return Desired::Rest(State::Waiting, Some(Cause::Schedule));
    }
    if let Some(cause) = inputs.pause_after {
        return Desired::Rest(State::Waiting, Some(cause));
    }
    if inputs.is_second {
        return Desired::Rest(State::Waiting, Some(Cause::SameModel));
    }
    if row.manifest.is_none() {
        return Desired::FetchManifest;
    }
    let serves = row.kind == Kind::Share || inputs.permitted.contains(&Action::Serve);
    // Publishing tells peers that this machine serves.
    let is_permitted = |action: Action| match action {
        Action::Serve => serves,
        Action::Fetch => row.kind == Kind::Fetch,
        action => inputs.permitted.contains(&action),
    };
    let publishes = serves && is_permitted(Action::Publish);
    Desired::Run { serves, publishes, ways: Ways::of(is_permitted) }
}

#[cfg(test)]
mod tests {
    use super::super::row::TransferRow;
    use super::*;
    use crate::model::NewFetch;
    use crate::problem::Problem;

    fn row(manifest: bool) -> TransferRow {
        let new = NewFetch {
            manifest: manifest.then(|| "m".to_owned()),
            out: Some("/o".into()),
            ..NewFetch::default()
        };
        TransferRow::fetch(new, "ab".repeat(32), 0)
    }

    fn inputs(permitted: &[Action]) -> DesiredInputs {
        DesiredInputs { permitted: permitted.to_vec(), ..DesiredInputs::default() }
    }

    fn run(serves: bool, publishes: bool, ways: Ways) -> Desired {
        Desired::Run { serves, publishes, ways }
    }

    #[test]
    fn nothing_moves_without_each_consent_and_each_denial_has_cause() {
        let with =
            |missing| DesiredInputs { missing: vec![(Action::Import, missing)], ..inputs(&[Action::Fetch]) };
        let rest = |state, cause| Desired::Rest(state, Some(cause));
        assert_eq!(desired(&row(true), &with(Missing::Never)), rest(State::Asking, Cause::ConsentMissing));
        assert_eq!(desired(&row(true), &with(Missing::Over)), rest(State::Waiting, Cause::ConsentMissing));
        assert_eq!(desired(&row(true), &with(Missing::Spent)), rest(State::Waiting, Cause::Quota));
        let closed = DesiredInputs { hour_is_closed: true, ..inputs(&[Action::Fetch, Action::Import]) };
        assert_eq!(desired(&row(true), &closed), rest(State::Waiting, Cause::Schedule));
        let late =
            DesiredInputs { pause_after: Some(Cause::NoSource), ..inputs(&[Action::Fetch, Action::Import]) };
        assert_eq!(desired(&row(true), &late), rest(State::Waiting, Cause::NoSource));
        let second = DesiredInputs { is_second: true, ..inputs(&[Action::Fetch, Action::Import]) };
        assert_eq!(desired(&row(true), &second), rest(State::Waiting, Cause::SameModel));
    }

    #[test]
    fn what_the_user_said_last_wins() {
        let ready = inputs(&[Action::Fetch, Action::Import]);
        let paused = TransferRow { paused: true, ..row(true) };
        assert_eq!(desired(&paused, &ready), Desired::Rest(State::Paused, Some(Cause::Paused)));
        let failed = TransferRow { end: Some(FinalState::Failed(Problem::new(4, "e", "h"))), ..paused };
        assert_eq!(desired(&failed, &ready), Desired::Rest(State::Failed, None));
        assert_eq!(desired(&row(true), &ready), run(false, false, Ways::default()));
        assert_eq!(desired(&row(false), &inputs(&[Action::Fetch])), Desired::FetchManifest);
    }

    #[test]
    fn publishing_without_serving_is_not_done() {
        let both = inputs(&[Action::Fetch, Action::Import, Action::Publish]);
        assert_eq!(desired(&row(true), &both), run(false, false, Ways::default()));
        let all = inputs(&[Action::Fetch, Action::Import, Action::Serve, Action::Publish]);
        assert_eq!(desired(&row(true), &all), run(true, true, Ways::default()));
    }

    #[test]
    fn ways_are_used_where_they_mean_something() {
        let with = |actions: &[Action]| inputs(&[&[Action::Fetch, Action::Import], actions].concat());
        let looks = Ways { lan: true, ..Ways::default() };
        assert_eq!(desired(&row(true), &with(&[Action::Lan, Action::Map])), run(false, false, looks));
        let all = Ways { lan: true, dht: true, map: true };
        let given = with(&[Action::Serve, Action::Publish, Action::Lan, Action::Dht, Action::Map]);
        assert_eq!(desired(&row(true), &given), run(true, true, all));
    }

    #[test]
    fn fetch_needs_import_with_a_manifest_and_cache_without_a_path() {
        assert_eq!(row(false).needs(), [Action::Fetch]);
        assert_eq!(row(true).needs(), [Action::Fetch, Action::Import]);
        assert_eq!(row(true).may(), [Action::Serve, Action::Publish, Action::Lan, Action::Dht, Action::Map]);
        let cached = TransferRow { path: None, ..row(true) };
        assert_eq!(cached.needs(), [Action::Fetch, Action::Import, Action::Cache]);
    }
}
