//! What a companion asks about a transfer, answered by the flags of a verb or by its user.

use std::path::Path;

use minimodel_companion::Service;
use minimodel_companion::model::{Consent, Kind, Question as Open, Transfer};
use minimodel_verifier::digest::parse_hex;

use crate::args::PublisherOptions;
use crate::consent::{self, Action, Advance, ConsentFlag, ConsentSource, NOTHING_DONE, Question};
use crate::failure::Failure;
use crate::publisher;
use crate::settings::Context;
use crate::show;
use crate::text::of_problem as failure;

/// Where a fetch without a folder goes.
pub(crate) const LIBRARY: &str = "the companion's library";

/// How a verb answers what the companion asks: by its flags and earlier grants, or by asking the user.
pub(crate) struct Asking<'a> {
    context: &'a Context,
    verb: &'static str,
    consent: Option<&'a ConsentFlag>,
    publisher: &'a PublisherOptions,
    /// Consent that was given before the manifest was known.
    pub(super) advance: Option<Advance>,
    /// What has happened so far, for a refusal: [`Question::done`].
    pub(super) done: &'static str,
    /// The bytes for which the consent to serve is good; `None`: without end.
    pub(super) quota: Option<u64>,
    /// The consent to publish is needed too.
    pub(super) mirrors: bool,
}

impl<'a> Asking<'a> {
    /// `consent` and `publisher`: the flags of the verb.
    pub(crate) fn new(
        context: &'a Context,
        verb: &'static str,
        consent: Option<&'a ConsentFlag>,
        publisher: &'a PublisherOptions,
    ) -> Self {
        let done = NOTHING_DONE;
        Self { context, verb, consent, publisher, advance: None, done, quota: None, mirrors: false }
    }

    /// Like [`Self::agree`], but removes the transfer if the user does not agree, unless it was there before this call.
    pub(super) fn agree_or_drop(
        &self,
        service: &dyn Service,
        transfer: Transfer,
    ) -> Result<Transfer, Failure> {
        let added = transfer.clone();
        self.agree(service, transfer).inspect_err(|_| forget_new(service, &added))
    }

    /// Answers what the companion asks about a transfer.
    pub(crate) fn agree(&self, service: &dyn Service, transfer: Transfer) -> Result<Transfer, Failure> {
        // Without the manifest there is no verdict: the companion compares its key with the flags when it has the manifest.
        let accepted = match &transfer.publisher {
            Some(verdict) => publisher::confirm_key(self.context, verdict, self.publisher, self.done)?
                .filter(|_| verdict.is_alarm()),
            None => None,
        };
        if self.quota.is_some() && transfer.question.is_none() {
            self.context.printer.warning(
                "--quota bounds this consent alone: one of before permits to serve already, see `minimodel consent list`",
            );
        }
        let consent = match (&transfer.question, self.consent) {
            (Some(open), _) => self.ask(&transfer, open)?,
            // Everything required is granted; the flag may consent to more, such as publish.
            (None, Some(flag)) => consent_of(flag.actions(), ConsentSource::Flag),
            (None, None) if accepted.is_some() => consent_of([], ConsentSource::Prompt),
            (None, None) => return Ok(transfer),
        };
        let consent = Consent { accept_publisher_key: accepted.map(|key| key.to_string()), ..consent };
        self.give(service, transfer.id, consent)
    }

    /// Gives a consent; the part of it that has a quota is a consent of its own.
    fn give(&self, service: &dyn Service, transfer: u64, mut consent: Consent) -> Result<Transfer, Failure> {
        let serves: Vec<Action> = consent.actions.extract_if(.., |action| *action == Action::Serve).collect();
        if serves.is_empty() || self.quota.is_none() {
            consent.actions.extend(serves);
            return service.answer(transfer, consent).map_err(failure);
        }
        // The consent to publish rests on the one to serve.
        let bounded = Consent { actions: serves, quota_bytes: self.quota, ..consent.clone() };
        let answered = service.answer(transfer, bounded).map_err(failure)?;
        if consent.actions.is_empty() {
            return Ok(answered);
        }
        service.answer(transfer, consent).map_err(failure)
    }

    /// What is needed and what may be given besides, for this verb.
    fn sorted(&self, open: &Open) -> (Vec<Action>, Vec<Action>) {
        let (mut needs, mut may) = (open.needs.clone(), open.may.clone());
        if self.mirrors {
            needs.extend(may.extract_if(.., |action| *action == Action::Publish));
        }
        (needs, may)
    }

    /// Asks about an open question, unless the flag or an earlier answer covers it.
    pub(super) fn ask(&self, transfer: &Transfer, open: &Open) -> Result<Consent, Failure> {
        let (needs, may) = self.sorted(open);
        let advance = self.advance.as_ref();
        let advance = advance.map(|advance| advance.counting(transfer.publisher.as_ref(), &needs));
        if self.consent.is_some() || matches!(advance, Some(Ok(_))) {
            self.context.printer.note(show::summary(&open.subject));
        }
        let notice = match advance {
            Some(Ok(actions)) => return Ok(consent_of(actions, ConsentSource::Prompt)),
            Some(Err(notice)) => Some(notice),
            None => None,
        };
        let headline = headline(transfer, open);
        let swarm_id = parse_hex(&transfer.swarm_id);
        let question = Question {
            verb: self.verb,
            swarm_id: swarm_id.as_ref(),
            headline: &headline,
            notice: notice.as_deref(),
            subject: &open.subject,
            required: &needs,
            optional: &may,
            done: self.done,
        };
        let is_by_offer = transfer.kind == Kind::Fetch && transfer.model_id.is_empty();
        let ask = if is_by_offer { consent::answer_by_offer } else { consent::answer };
        let (actions, source) = ask(self.context, &question, self.consent)?;
        Ok(consent_of(actions, source))
    }
}

/// The question in one line: what is to be shared or fetched, and where it goes.
fn headline(transfer: &Transfer, open: &Open) -> String {
    let Transfer { model_id, model_version, total_bytes, publisher, .. } = transfer;
    let model = show::model_line(model_id, model_version, *total_bytes, publisher.as_ref());
    let path = Path::new(&transfer.path);
    match transfer.kind {
        Kind::Share if transfer.allow.is_empty() => format!("Serve {model}, to anyone who holds the offer?"),
        Kind::Share => format!("Serve {model}, to the peers that you allow?"),
        Kind::Fetch if model_id.is_empty() => "Ask the peer which model this offer is for?".to_owned(),
        Kind::Fetch if open.needs.contains(&Action::Cache) => format!("Fetch {model}, into {LIBRARY}?"),
        Kind::Fetch => format!("Fetch {model}, into {}?", show::folder(path.parent().unwrap_or(path))),
    }
}

/// The actions as a consent that was given by `source`.
pub(super) fn consent_of(actions: impl IntoIterator<Item = Action>, source: ConsentSource) -> Consent {
    let actions = actions.into_iter().collect();
    let by = source.as_str().to_owned();
    Consent { actions, by, expires_unix: None, quota_bytes: None, accept_publisher_key: None }
}

/// Removes a transfer that this call added. A failure to do so is ignored: the caller reports why the transfer is removed.
pub(super) fn forget_new(service: &dyn Service, transfer: &Transfer) {
    if transfer.is_new {
        let _ = service.forget(transfer.id);
    }
}
