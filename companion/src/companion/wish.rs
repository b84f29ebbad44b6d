//! Desired state of a transfer: one pure decision from the user's wishes, the consents and the hour.

use crate::api::types::{Action, Cause, Kind, State};

use super::row::{End, Row};

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
pub(super) struct Facts {
    /// Actions that are permitted now.
    pub(super) permitted: Vec<Action>,
    /// Actions that the transfer needs and that are not permitted.
    pub(super) missing: Vec<(Action, Missing)>,
    /// The schedule pauses all transfers at this hour.
    pub(super) hour_is_closed: bool,
    /// The last run ended without success and is in backoff, for this cause.
    pub(super) pause_after: Option<Cause>,
}

/// Desired state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Run nothing; shown with this state and cause.
    Rest(State, Option<Cause>),
    /// Ask for the manifest.
    Learn,
    /// Move bytes.
    Run {
        /// Serve the chunks that are there.
        serves: bool,
        /// Let peers pass the offer on.
        publishes: bool,
    },
}

/// Decides the desired state. In order of precedence: the end or the user's pause, then consent, then the hour, then backoff
/// after a failure.
pub(super) fn wish(row: &Row, facts: &Facts) -> Wish {
    match &row.end {
        Some(End::Done { .. }) => return Wish::Rest(State::Done, None),
        Some(End::Failed(_)) => return Wish::Rest(State::Failed, None),
        None => {}
    }
    if row.paused {
        return Wish::Rest(State::Paused, Some(Cause::Paused));
    }
    if let Some((_, missing)) = facts.missing.first() {
        return match missing {
            Missing::Never => Wish::Rest(State::Asking, Some(Cause::ConsentMissing)),
            Missing::Over => Wish::Rest(State::Waiting, Some(Cause::ConsentMissing)),
            Missing::Spent => Wish::Rest(State::Waiting, Some(Cause::Quota)),
        };
    }
    if facts.hour_is_closed {
        return Wish::Rest(State::Waiting, Some(Cause::Schedule));
    }
    if let Some(cause) = facts.pause_after {
        return Wish::Rest(State::Waiting, Some(cause));
    }
    if row.manifest.is_none() {
        return Wish::Learn;
    }
    let serves = row.kind == Kind::Share || facts.permitted.contains(&Action::Serve);
    Wish::Run { serves, publishes: serves && facts.permitted.contains(&Action::Publish) }
}

#[cfg(test)]
mod tests {
    use super::super::row::Row;
    use super::*;
    use crate::api::types::NewFetch;
    use crate::problem::Problem;

    fn row(manifest: bool) -> Row {
        let new = NewFetch {
            manifest: manifest.then(|| "m".to_owned()),
            out: Some("/o".into()),
            ..NewFetch::default()
        };
        Row::fetch(new, "ab".repeat(32), 0)
    }

    fn facts(permitted: &[Action]) -> Facts {
        Facts { permitted: permitted.to_vec(), ..Facts::default() }
    }

    #[test]
    fn nothing_moves_without_each_consent_and_each_reason_has_its_cause() {
        let with = |missing| Facts { missing: vec![(Action::Import, missing)], ..facts(&[Action::Fetch]) };
        let rest = |state, cause| Wish::Rest(state, Some(cause));
        assert_eq!(wish(&row(true), &with(Missing::Never)), rest(State::Asking, Cause::ConsentMissing));
        assert_eq!(wish(&row(true), &with(Missing::Over)), rest(State::Waiting, Cause::ConsentMissing));
        assert_eq!(wish(&row(true), &with(Missing::Spent)), rest(State::Waiting, Cause::Quota));
        let closed = Facts { hour_is_closed: true, ..facts(&[Action::Fetch, Action::Import]) };
        assert_eq!(wish(&row(true), &closed), rest(State::Waiting, Cause::Schedule));
        let late = Facts { pause_after: Some(Cause::NoSource), ..facts(&[Action::Fetch, Action::Import]) };
        assert_eq!(wish(&row(true), &late), rest(State::Waiting, Cause::NoSource));
    }

    #[test]
    fn what_the_user_said_last_wins() {
        let ready = facts(&[Action::Fetch, Action::Import]);
        let paused = Row { paused: true, ..row(true) };
        assert_eq!(wish(&paused, &ready), Wish::Rest(State::Paused, Some(Cause::Paused)));
        let failed = Row { end: Some(End::Failed(Problem::new(4, "e", "h"))), ..paused };
        assert_eq!(wish(&failed, &ready), Wish::Rest(State::Failed, None));
        assert_eq!(wish(&row(true), &ready), Wish::Run { serves: false, publishes: false });
        assert_eq!(wish(&row(false), &facts(&[Action::Fetch])), Wish::Learn);
    }

    #[test]
    fn publishing_without_serving_is_not_done() {
        let both = facts(&[Action::Fetch, Action::Import, Action::Publish]);
        assert_eq!(wish(&row(true), &both), Wish::Run { serves: false, publishes: false });
        let all = facts(&[Action::Fetch, Action::Import, Action::Serve, Action::Publish]);
        assert_eq!(wish(&row(true), &all), Wish::Run { serves: true, publishes: true });
    }

    #[test]
    fn a_fetch_asks_for_what_it_does_and_a_cache_is_no_folder_of_the_user() {
        assert_eq!(row(false).needs(), [Action::Fetch]);
        assert_eq!(row(true).needs(), [Action::Fetch, Action::Import]);
        assert_eq!(row(true).may(), [Action::Serve, Action::Publish]);
        let cached = Row { path: None, ..row(true) };
        assert_eq!(cached.needs(), [Action::Fetch, Action::Import, Action::Cache]);
    }
}
