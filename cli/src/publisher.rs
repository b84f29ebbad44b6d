//! Known publishers at the command line: describes a manifest's key, asks about it, and keeps it.
//! [`minimodel_companion::publishers`] decides what follows from a key.

use minimodel::clock::{now_unix, utc};
use minimodel::publishers::{
    KeyRecord, PublisherError, PublisherKey, Publishers, Signer, SignerRefusal, SignerStatus, SignerVerdict,
    listed,
};
use minimodel_companion::Problem;
use minimodel_verifier::{Manifest, Report};
use serde::Serialize;

use crate::args::PublisherOptions;
use crate::escape;
use crate::failure::Failure;
use crate::printer::{Line, Tone};
use crate::settings::Context;
use crate::text;

/// The record of known publishers of this user.
pub(crate) fn record(context: &Context) -> Result<Publishers, Failure> {
    Ok(Publishers::of(context.home.state()?))
}

/// Compares a manifest with what is known of its publisher.
pub(crate) fn signer_verdict(context: &Context, manifest: &Manifest) -> Result<SignerVerdict, Failure> {
    Publishers::verdict_in(&context.home, manifest).map_err(failure)
}

/// Like `signer_verdict`, for a verb that only shows: it warns of an alarm, and of a record that cannot be read.
pub(crate) fn verdict_with_warning(context: &Context, manifest: &Manifest) -> Option<SignerVerdict> {
    let tell = |failure: &Failure| tell_unreadable(context, failure);
    let verdict = signer_verdict(context, manifest).inspect_err(tell).ok()?;
    if verdict.is_alarm() {
        context.printer.warning(&words(&verdict));
    }
    Some(verdict)
}

/// Warns of a record that cannot be read, for a verb that goes on without it.
pub(crate) fn tell_unreadable(context: &Context, failure: &Failure) {
    let cause = failure.cause.as_deref().map(|cause| format!(" ({cause})")).unwrap_or_default();
    context.printer.warning(&format!("{}{cause}: {}", failure.error, failure.hint));
}

/// An error of the record, or the refusal of a manifest, as a failure.
pub(crate) fn failure(error: PublisherError) -> Failure {
    text::of_problem(Problem::from(error))
}

/// Describes a manifest's signature: which key made it, and since when that key is known.
pub(crate) fn words(verdict: &SignerVerdict) -> String {
    let by = || escape::shown(&verdict.signer.to_string()).to_string();
    let id = escape::shown(&verdict.publisher);
    match &verdict.status {
        SignerStatus::New => format!("signed by {}, first seen now", by()),
        SignerStatus::Known { key, is_pinned } => {
            let pinned = if *is_pinned { ", pinned" } else { "" };
            format!("signed by {}, known since {}{pinned}", by(), utc(key.first_seen_unix))
        }
        SignerStatus::Unsigned => "none: nobody vouches for this publisher name".to_owned(),
        SignerStatus::Changed { known } => {
            format!("NOT THE KNOWN KEY: signed by {}, but known of `{id}`: {}", by(), listed(known))
        }
        SignerStatus::SignatureMissing { known } => {
            format!("MISSING: not signed, but known of `{id}`: {}", listed(known))
        }
        SignerStatus::PinMismatch { pinned } => match verdict.signer {
            Signer::Key(_) => {
                format!("NOT THE PINNED KEY: signed by {}, but `{id}` is pinned to {pinned}", by())
            }
            Signer::Unsigned => format!("MISSING: not signed, but `{id}` is pinned to {pinned}"),
        },
    }
}

/// The same in a few words, for the first line of a question.
pub(crate) fn standing(status: &SignerStatus) -> String {
    match status {
        SignerStatus::New => "key first seen now".to_owned(),
        SignerStatus::Known { is_pinned: true, .. } => "pinned key".to_owned(),
        SignerStatus::Known { key, .. } => {
            let date: String = utc(key.first_seen_unix).chars().take_while(|c| *c != 'T').collect();
            format!("key known since {date}")
        }
        SignerStatus::Unsigned => "not signed".to_owned(),
        SignerStatus::Changed { .. } => "NOT THE KNOWN KEY".to_owned(),
        SignerStatus::SignatureMissing { .. } => "SIGNATURE MISSING".to_owned(),
        SignerStatus::PinMismatch { .. } => "NOT THE PINNED KEY".to_owned(),
    }
}

/// Decides whether the verb goes on with a manifest, before the user consents to anything. A key other than the known
/// one must be accepted by flag, or on a terminal by the word `yes` to a question of its own. Returns the key that was
/// accepted. `done`: what has happened so far, for a refusal.
pub(crate) fn confirm_key(
    context: &Context,
    verdict: &SignerVerdict,
    options: &PublisherOptions,
    done: &str,
) -> Result<Option<Signer>, Failure> {
    let refused = |refusal: SignerRefusal| {
        let failure = failure(PublisherError::Refused(refusal));
        Failure { error: format!("{}; {done}", failure.error), ..failure }
    };
    if let Some(wanted) = options.publisher_key {
        verdict.require_key(wanted).or_else(|refusal| tell(context, verdict).and(Err(refused(refusal))))?;
    }
    let refusal = match verdict.accept_key(options.accept_publisher_key.as_ref()) {
        Ok(()) => {
            if verdict.is_alarm() {
                context.printer.warning(&format!("{}; accepted by --accept-publisher-key", words(verdict)));
            }
            return Ok(options.accept_publisher_key);
        }
        Err(refusal) => refusal,
    };
    if !refusal.can_be_accepted() || !context.settings.can_ask {
        tell(context, verdict)?;
        return Err(refused(refusal));
    }
    let page = Line::default()
        .with(Tone::Bad, "WARNING: ")
        .with(Tone::Strong, format!("the publisher's signature is not what is known\n{}\n", words(verdict)))
        .with(
            Tone::Plain,
            "Somebody else may have made this manifest. Ask the publisher by a way that you trust.\n",
        )
        .with(Tone::Strong, format!("Accept it from `{}` all the same?", escape::shown(&verdict.publisher)))
        .with(Tone::Plain, " Type yes to agree: ");
    let said = match context.printer.ask(page) {
        Ok(reply) if reply.as_deref().map(str::trim) == Some("yes") => return Ok(Some(verdict.signer)),
        Ok(reply) => format!("the answer was `{}`, not `yes`", escape::shown(&reply.unwrap_or_default())),
        Err(error) => format!("the answer could not be read: {error}"),
    };
    let failure = refused(refusal);
    let cause = failure.cause.clone().unwrap_or_default();
    Err(failure.because(format!("{cause}; {said}")))
}

/// Keeps the key of a manifest after the user consented to the import, and before the import begins.
pub(crate) fn keep(
    context: &Context,
    manifest: &Manifest,
    verdict: &SignerVerdict,
    accepted: Option<&Signer>,
) -> Result<(), Failure> {
    record(context)?.keep(manifest, accepted, now_unix()).map_err(failure)?;
    tell_kept(context, verdict);
    Ok(())
}

/// Reports that the key of a manifest was kept, if it was not known before.
pub(crate) fn tell_kept(context: &Context, verdict: &SignerVerdict) {
    if matches!(verdict.status, SignerStatus::New | SignerStatus::Changed { .. }) {
        let id = escape::shown(&verdict.publisher);
        context
            .printer
            .note(format!("this key of `{id}` is known from now on: `minimodel publisher show {id}`"));
    }
}

/// A known key, in events.
#[derive(Serialize)]
pub(crate) struct KeyObject {
    key: String,
    first_seen_utc: String,
    model: Option<String>,
    swarm_id: Option<String>,
    by: &'static str,
}

impl From<&KeyRecord> for KeyObject {
    fn from(known: &KeyRecord) -> Self {
        Self {
            key: known.key.to_string(),
            first_seen_utc: utc(known.first_seen_unix),
            model: known.model.clone(),
            swarm_id: known.swarm_id.clone(),
            by: known.origin.as_str(),
        }
    }
}

/// The key of a manifest and the verdict on it, in events.
#[derive(Serialize)]
pub(crate) struct SignerObject<'a> {
    publisher: &'a str,
    key: Option<String>,
    standing: &'static str,
    known: Vec<KeyObject>,
    pinned: Option<String>,
}

impl<'a> From<&'a SignerVerdict> for SignerObject<'a> {
    fn from(verdict: &'a SignerVerdict) -> Self {
        let (known, pinned): (&[KeyRecord], Option<PublisherKey>) = match &verdict.status {
            SignerStatus::New | SignerStatus::Unsigned => (&[], None),
            SignerStatus::Known { key, is_pinned } => {
                (std::slice::from_ref(key), is_pinned.then_some(key.key))
            }
            SignerStatus::Changed { known } | SignerStatus::SignatureMissing { known } => (known, None),
            SignerStatus::PinMismatch { pinned } => (&[], Some(*pinned)),
        };
        Self {
            publisher: &verdict.publisher,
            key: verdict.signer.key().map(|key| key.to_string()),
            standing: verdict.status.as_str(),
            known: known.iter().map(KeyObject::from).collect(),
            pinned: pinned.map(|key| key.to_string()),
        }
    }
}

/// Prints the event of a refused manifest; for others the verdict is part of later events.
fn tell(context: &Context, verdict: &SignerVerdict) -> Result<(), Failure> {
    context.printer.event("publisher", SignerObject::from(verdict))
}

/// The check of the publisher's key for reports, which fails if the manifest is refused.
pub(crate) fn check(verdict: &SignerVerdict, options: &PublisherOptions) -> Report {
    verdict.check(&options.demand())
}

/// Refuses a manifest for a verb that asks no question; its answer includes the check.
pub(crate) fn refuse(verdict: &SignerVerdict, options: &PublisherOptions) -> Result<(), Failure> {
    verdict.meets(&options.demand()).map_err(|refusal| failure(PublisherError::Refused(refusal)))
}

/// Refuses a manifest whose key is not that of `--publisher-key`, before the companion gets the manifest.
pub(crate) fn require_key(verdict: &SignerVerdict, options: &PublisherOptions) -> Result<(), Failure> {
    let refused = |refusal| failure(PublisherError::Refused(refusal));
    options.publisher_key.map_or(Ok(()), |wanted| verdict.require_key(wanted).map_err(refused))
}
