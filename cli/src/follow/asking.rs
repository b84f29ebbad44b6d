//! The summary and the questions to the user before a fetch or a repair moves anything.

use std::cmp::Ordering;

use minimodel::consent::RunConsent;
use minimodel::publishers::SignerVerdict;
use minimodel::transfer::{OtherManifest, Target};
use minimodel_verifier::Manifest;

use super::fetch::{Fetch, needed};
use crate::consent::{self, Action, Question};
use crate::escape;
use crate::failure::Failure;
use crate::publisher;
use crate::settings::Context;
use crate::show;

/// Asks the user before anything moves: first whether to accept the publisher's key, if it is not the known one, then
/// for consent. With the consent to import, the key is kept.
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
    for (number, offer) in plan.sources.iter().enumerate() {
        let addresses: Vec<String> = offer.offer().addresses.iter().map(ToString::to_string).collect();
        let label = if number == 0 { "peers" } else { "" };
        subject
            .push((label.to_owned(), format!("{} at {}", offer.offer().peer.short(), addresses.join(", "))));
    }
    if plan.consent.is_some() {
        context.printer.note(show::table(&subject));
    }
    let required = needed(plan.transfer);
    let optional: Vec<Action> =
        plan.asked_besides.iter().copied().filter(|action| !required.contains(action)).collect();
    let question = Question {
        verb: plan.verb,
        swarm_id: Some(plan.manifest.swarm_id()),
        subject: &subject,
        required,
        optional: &optional,
        done: plan.done,
    };
    let granted = consent::obtain(context, &question, plan.consent)?;
    publisher::keep(context, &plan.manifest, &verdict, accepted.as_ref())?;
    Ok((granted, verdict))
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
