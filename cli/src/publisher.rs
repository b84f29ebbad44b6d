//! Known publishers at the command line: describes a manifest's key, asks about it, and keeps it.
//! [`minimodel_companion::publishers`] decides what follows from a key.

use minimodel_companion::Problem;
use minimodel_companion::publishers::{
    Judged, KnownKey, PublisherError, PublisherKey, Publishers, Refusal, Shown, Standing,
};
use minimodel_verifier::{Check, Manifest, Outcome, Report};
use serde::Serialize;

use crate::args::PublisherOptions;
use crate::clock::{now_unix, utc};
use crate::companion;
use crate::escape;
use crate::failure::Failure;
use crate::printer::{Line, Tone};
use crate::settings::Context;

/// Name of this check in reports and receipts.
pub(crate) const CHECK: &str = "publisher.key";

/// The record of known publishers; `None` if there is no state folder for it.
fn known(context: &Context) -> Option<Publishers> {
    context.folders.state().ok().map(Publishers::of)
}

/// The record of known publishers of this user.
pub(crate) fn record(context: &Context) -> Result<Publishers, Failure> {
    Ok(Publishers::of(context.folders.state()?))
}

/// Compares a manifest with what is known of its publisher.
pub(crate) fn judge(context: &Context, manifest: &Manifest) -> Result<Judged, Failure> {
    match known(context) {
        Some(publishers) => publishers.judge(manifest).map_err(failure),
        None => Ok(Judged::of(&Default::default(), manifest)),
    }
}

/// Like `judge`, for a verb that only shows: it warns of an alarm, and of a record that cannot be read.
pub(crate) fn look(context: &Context, manifest: &Manifest) -> Option<Judged> {
    let tell = |failure: &Failure| tell_unreadable(context, failure);
    let judged = judge(context, manifest).inspect_err(tell).ok()?;
    if judged.is_alarm() {
        context.printer.warning(&words(&judged));
    }
    Some(judged)
}

/// Warns of a record that cannot be read, for a verb that goes on without it.
pub(crate) fn tell_unreadable(context: &Context, failure: &Failure) {
    let cause = failure.cause.as_deref().map(|cause| format!(" ({cause})")).unwrap_or_default();
    context.printer.warning(&format!("{}{cause}: {}", failure.error, failure.hint));
}

/// An error of the record, or the refusal of a manifest, as a failure.
pub(crate) fn failure(error: PublisherError) -> Failure {
    companion::failure(Problem::from(error))
}

/// Describes a manifest's signature: which key made it, and since when that key is known.
pub(crate) fn words(judged: &Judged) -> String {
    let by = || escape::shown(&judged.shown.to_string()).to_string();
    let id = escape::shown(&judged.publisher);
    match &judged.standing {
        Standing::New => format!("signed by {}, first seen now", by()),
        Standing::Known { key, is_pinned } => {
            let pinned = if *is_pinned { ", pinned" } else { "" };
            format!("signed by {}, known since {}{pinned}", by(), utc(key.first_seen_unix))
        }
        Standing::Unsigned => "none: nobody vouches for this publisher name".to_owned(),
        Standing::Changed { known } => {
            format!("NOT THE KNOWN KEY: signed by {}, but known of `{id}`: {}", by(), listed(known))
        }
        Standing::SignatureMissing { known } => {
            format!("MISSING: not signed, but known of `{id}`: {}", listed(known))
        }
        Standing::PinMismatch { pinned } => match judged.shown {
            Shown::Key(_) => {
                format!("NOT THE PINNED KEY: signed by {}, but `{id}` is pinned to {pinned}", by())
            }
            Shown::Unsigned => format!("MISSING: not signed, but `{id}` is pinned to {pinned}"),
        },
    }
}

fn listed(known: &[KnownKey]) -> String {
    let one = |key: &KnownKey| format!("{} since {}", key.key, utc(key.first_seen_unix));
    known.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Decides whether the verb goes on with a manifest, before the user consents to anything. A key other than the known
/// one must be accepted by flag, or on a terminal by the word `yes` to a question of its own. Returns the key that was
/// accepted. `done`: what has happened so far, for a refusal.
pub(crate) fn settle(
    context: &Context,
    judged: &Judged,
    options: &PublisherOptions,
    done: &str,
) -> Result<Option<Shown>, Failure> {
    let refused = |refusal: Refusal| {
        let failure = failure(PublisherError::Refused(refusal));
        Failure { error: format!("{}; {done}", failure.error), ..failure }
    };
    if let Some(wanted) = options.publisher_key {
        judged.demand(wanted).or_else(|refusal| tell(context, judged).and(Err(refused(refusal))))?;
    }
    let refusal = match judged.admit(options.accept_publisher_key.as_ref()) {
        Ok(()) => {
            if judged.is_alarm() {
                context.printer.warning(&format!("{}; accepted by --accept-publisher-key", words(judged)));
            }
            return Ok(options.accept_publisher_key);
        }
        Err(refusal) => refusal,
    };
    if !refusal.can_be_accepted() || !context.settings.can_ask {
        tell(context, judged)?;
        return Err(refused(refusal));
    }
    let page = Line::default()
        .with(Tone::Bad, "WARNING: ")
        .with(Tone::Strong, format!("the publisher's signature is not what is known\n{}\n", words(judged)))
        .with(
            Tone::Plain,
            "Somebody else may have made this manifest. Ask the publisher by a way that you trust.\n",
        )
        .with(Tone::Strong, format!("Accept it from `{}` all the same?", escape::shown(&judged.publisher)))
        .with(Tone::Plain, " Type yes to agree: ");
    let said = match context.printer.ask(page) {
        Ok(reply) if reply.as_deref().map(str::trim) == Some("yes") => return Ok(Some(judged.shown)),
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
    judged: &Judged,
    accepted: Option<&Shown>,
) -> Result<(), Failure> {
    record(context)?.keep(manifest, accepted, now_unix()).map_err(failure)?;
    tell_kept(context, judged);
    Ok(())
}

/// Reports that the key of a manifest was kept, if it was not known before.
pub(crate) fn tell_kept(context: &Context, judged: &Judged) {
    if matches!(judged.standing, Standing::New | Standing::Changed { .. }) {
        let id = escape::shown(&judged.publisher);
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

impl From<&KnownKey> for KeyObject {
    fn from(known: &KnownKey) -> Self {
        Self {
            key: known.key.to_string(),
            first_seen_utc: utc(known.first_seen_unix),
            model: known.model.clone(),
            swarm_id: known.swarm_id.clone(),
            by: known.how.as_str(),
        }
    }
}

/// The key of a manifest and the verdict on it, in events.
#[derive(Serialize)]
pub(crate) struct JudgedObject<'a> {
    publisher: &'a str,
    key: Option<String>,
    standing: &'static str,
    known: Vec<KeyObject>,
    pinned: Option<String>,
}

impl<'a> From<&'a Judged> for JudgedObject<'a> {
    fn from(judged: &'a Judged) -> Self {
        let (known, pinned): (&[KnownKey], Option<PublisherKey>) = match &judged.standing {
            Standing::New | Standing::Unsigned => (&[], None),
            Standing::Known { key, is_pinned } => (std::slice::from_ref(key), is_pinned.then_some(key.key)),
            Standing::Changed { known } | Standing::SignatureMissing { known } => (known, None),
            Standing::PinMismatch { pinned } => (&[], Some(*pinned)),
        };
        Self {
            publisher: &judged.publisher,
            key: judged.shown.key().map(|key| key.to_string()),
            standing: judged.standing.as_str(),
            known: known.iter().map(KeyObject::from).collect(),
            pinned: pinned.map(|key| key.to_string()),
        }
    }
}

/// Prints the event of a refused manifest; for others the verdict is part of later events.
fn tell(context: &Context, judged: &Judged) -> Result<(), Failure> {
    context.printer.event("publisher", JudgedObject::from(judged))
}

/// The check of the publisher's key for reports, which fails if the manifest is refused. The report is empty for an
/// unsigned manifest of a publisher without a known key: nothing can be said of it.
pub(crate) fn check(judged: &Judged, options: &PublisherOptions) -> Report {
    let wanted = options.publisher_key.filter(|wanted| judged.demand(*wanted).is_err());
    let is_refused = wanted.is_some() || judged.admit(options.accept_publisher_key.as_ref()).is_err();
    checked(judged, wanted, if is_refused { Outcome::Fail } else { Outcome::Warn })
}

/// Like `check`, for an import that the user agreed to: an accepted key is a warning.
pub(crate) fn check_of_import(judged: &Judged) -> Report {
    checked(judged, None, Outcome::Warn)
}

fn checked(judged: &Judged, wanted: Option<PublisherKey>, of_alarm: Outcome) -> Report {
    let mut report = Report::new();
    let expected = match (&judged.standing, wanted) {
        (_, Some(wanted)) => format!("{wanted}, which was demanded"),
        (Standing::Changed { known } | Standing::SignatureMissing { known }, None) => listed(known),
        (Standing::PinMismatch { pinned }, None) => format!("{pinned}, which is pinned"),
        (Standing::Unsigned, None) => return report,
        (Standing::New, None) => {
            report.pass(CHECK, format!("{}, first seen now", judged.shown));
            return report;
        }
        (Standing::Known { key, is_pinned }, None) => {
            let pinned = if *is_pinned { ", pinned" } else { "" };
            report.pass(CHECK, format!("{}, known since {}{pinned}", judged.shown, utc(key.first_seen_unix)));
            return report;
        }
    };
    report.push(Check { name: CHECK, outcome: of_alarm, found: judged.shown.to_string(), expected });
    report
}

/// Refuses a manifest for a verb that asks no question; its answer includes the check.
pub(crate) fn refuse(judged: &Judged, options: &PublisherOptions) -> Result<(), Failure> {
    let demanded = options.publisher_key.map_or(Ok(()), |wanted| judged.demand(wanted));
    let admitted = demanded.and_then(|()| judged.admit(options.accept_publisher_key.as_ref()));
    admitted.map_err(|refusal| failure(PublisherError::Refused(refusal)))
}

/// Refuses a manifest whose key is not that of `--publisher-key`, before the companion gets the manifest.
pub(crate) fn demand(judged: &Judged, options: &PublisherOptions) -> Result<(), Failure> {
    let refused = |refusal| failure(PublisherError::Refused(refusal));
    options.publisher_key.map_or(Ok(()), |wanted| judged.demand(wanted).map_err(refused))
}
