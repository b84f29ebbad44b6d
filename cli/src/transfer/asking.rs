//! The summary and the questions to the user before a fetch or a repair moves anything.

use minimodel::consent::RunConsent;
use minimodel::publishers::SignerVerdict;

use super::fetching::{Plan, needed};
use super::target::Target;
use crate::consent::{self, Action, Question};
use crate::failure::Failure;
use crate::publisher;
use crate::settings::Context;
use crate::show;

/// Asks the user before anything moves: first whether to accept the publisher's key, if it is not the known one, then
/// for consent. With the consent to import, the key is kept.
pub(super) fn ask(
    context: &Context,
    plan: &Plan<'_>,
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
    subject.extend(target.other_manifest(&plan.manifest).map(|other| ("beside it".to_owned(), other)));
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
