//! The summary and the questions to the user before a fetch or a repair moves anything.

use std::cmp::Ordering;
use std::path::PathBuf;
use std::sync::Arc;

use minimodel::consent::RunConsent;
use minimodel::publishers::SignerVerdict;
use minimodel::transfer::{self, OtherManifest, Target};
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use crate::args::{ShareOptions, TransferOptions};
use crate::consent::{self, Action, Advance, ConsentFlag, Question};
use crate::escape;
use crate::failure::Failure;
use crate::publisher;
use crate::settings::Context;
use crate::show;

/// A fetch as the user typed it: the manifest, the sources, and the options.
#[derive(Debug)]
pub(crate) struct Fetch<'a> {
    /// The verb, for messages and the consent log.
    pub(crate) verb: &'static str,
    /// The manifest of the file.
    pub(crate) manifest: Arc<Manifest>,
    /// Offers of the first peers; checked against the manifest.
    pub(crate) sources: Vec<SignedOffer>,
    /// The folder for the file.
    pub(crate) out: PathBuf,
    /// Where the receipt goes, if not beside the file.
    pub(crate) receipt: Option<PathBuf>,
    /// Options of all verbs that may serve.
    pub(crate) share: &'a ShareOptions,
    /// Options of all verbs that fetch.
    pub(crate) transfer: &'a TransferOptions,
    /// `--consent`, if it was given.
    pub(crate) consent: Option<&'a ConsentFlag>,
    /// Optional actions to ask for: [`ASKED_BESIDES`], or fewer.
    pub(crate) asked_besides: &'a [Action],
    /// Consent that was given before the manifest was known, if it was.
    pub(crate) advance: Option<Advance>,
    /// What has happened before the user is asked for consent: [`crate::consent::Question::done`].
    pub(crate) done: &'static str,
    /// True for a repair: the file is the user's own, under its name, and only its wrong chunks are fetched.
    pub(crate) is_repair: bool,
}

/// Actions to which the user must consent before anything is fetched.
pub(crate) fn needed(options: &TransferOptions) -> &'static [Action] {
    const TO_MIRROR: &[Action] = &[Action::Fetch, Action::Import, Action::Serve, Action::Publish];
    let count = match (options.mirrors, options.keep_seeding) {
        (true, _) => 4,
        (false, true) => 3,
        (false, false) => 2,
    };
    &TO_MIRROR[..count]
}

/// Asks the user before anything moves: first whether to accept the publisher's key, if it is not the known one, then
/// for consent, unless that was given in advance and counts. With the consent to import, the key is kept.
pub(super) fn ask(
    context: &Context,
    plan: &Fetch<'_>,
    target: &Target,
) -> Result<(RunConsent, SignerVerdict), Failure> {
    let verdict = publisher::signer_verdict(context, &plan.manifest)?;
    let accepted = publisher::confirm_key(context, &verdict, &plan.transfer.publisher, plan.done)?;
    let mut subject = show::subject(&plan.manifest, Some(&verdict));
    if plan.is_repair {
        subject.push((
            "repairs".to_owned(),
            "what is wrong in the file is written over, if most of it is right".to_owned(),
        ));
    }
    let beside = target.other_manifest(&plan.manifest);
    subject.extend(beside.map(|other| ("beside it".to_owned(), describe(&other, &plan.manifest))));
    let (before, members): (Vec<_>, Vec<_>) =
        transfer::earlier_peers(&context.home, &plan.manifest, &plan.sources)
            .into_iter()
            .partition(|it| it.was_named);
    let named = plan.sources.iter().map(|offer| (offer, ""));
    let named = named.chain(before.iter().map(|it| (&it.offer, ", as before")));
    let at = |(offer, remark): (&SignedOffer, &str)| {
        let addresses: Vec<String> = offer.offer().addresses.iter().map(ToString::to_string).collect();
        format!("{} at {}{remark}", offer.offer().peer.short(), addresses.join(", "))
    };
    let mut peers: Vec<String> = named.map(at).collect();
    if !members.is_empty() {
        let members = members.len();
        peers.push(format!("with `publish` also those met before: {members}"));
    }
    let label = |number| if number == 0 { "peers".to_owned() } else { String::new() };
    subject.extend(peers.into_iter().enumerate().map(|(number, peer)| (label(number), peer)));
    let executable = plan.manifest.format().executes_on_load().then_some(Action::Executable);
    let required: Vec<Action> = needed(plan.transfer).iter().copied().chain(executable).collect();
    let advance = plan.advance.as_ref().map(|advance| advance.counting(Some(&verdict), &required));
    if plan.consent.is_some() || matches!(advance, Some(Ok(_))) {
        context.printer.note(show::summary(&subject));
    }
    let notice = advance.as_ref().and_then(|advance| advance.as_ref().err()).cloned();
    let headline = headline(plan, target, &verdict);
    let optional: Vec<Action> =
        plan.asked_besides.iter().copied().filter(|action| !required.contains(action)).collect();
    let question = Question {
        verb: plan.verb,
        swarm_id: Some(plan.manifest.swarm_id()),
        headline: &headline,
        notice: notice.as_deref(),
        subject: &subject,
        required: &required,
        optional: &optional,
        done: plan.done,
    };
    let granted = match advance {
        Some(Ok(actions)) => consent::take_up(context, &question, actions)?,
        _ => consent::obtain(context, &question, plan.consent)?,
    };
    publisher::keep(context, &plan.manifest, &verdict, accepted.as_ref())?;
    Ok((granted, verdict))
}

/// The question in one line: what is fetched, by whom it is published, and where it goes.
fn headline(plan: &Fetch<'_>, target: &Target, verdict: &SignerVerdict) -> String {
    let manifest = &plan.manifest;
    let model =
        show::model_line(manifest.model_id(), manifest.model_version(), manifest.byte_count(), Some(verdict));
    if plan.is_repair {
        return format!("Repair `{}` with chunks of {model}?", escape::path(&target.artifact));
    }
    format!("Fetch {model}, into {}?", show::folder(&plan.out))
}

/// Describes another manifest of the same name beside the file, and which of the two is older.
fn describe(other: &OtherManifest, ours: &Manifest) -> String {
    let which = match other.age {
        Ordering::Less => "older",
        Ordering::Equal => "as old",
        Ordering::Greater => "newer",
    };
    // Both times are digits and signs by the manifest's rules, and need no escape.
    let (shown, theirs, ours) = (escape::path(&other.path), &other.created_utc, ours.created_utc());
    format!("`{shown}` is another manifest of this name, made {theirs}; this one, made {ours}, is {which}")
}
