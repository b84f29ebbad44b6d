//! `minimodel announce`: announces, with a consent of its own, that this machine has a model and where; lists
//! announcements and withdraws them.

use minimodel_companion::Service;
use minimodel_companion::model::{Announcement, Consent};
use minimodel_verifier::digest::parse_hex;

use super::consent::model::transfer;
use crate::args::{AnnounceArgs, AnnounceOnArgs, AnnounceVerb};
use crate::companion;
use crate::consent::{Action, Question, agree};
use crate::escape;
use crate::failure::Failure;
use crate::output;
use crate::settings::Context;
use crate::text;

const NOTHING_ANNOUNCED: &str = "nothing was announced";

/// Runs the verb.
pub(crate) fn run(args: &AnnounceArgs, context: &Context) -> Result<(), Failure> {
    let service = companion::service(context)?;
    let service = service.as_ref();
    match &args.action {
        AnnounceVerb::On(args) => on(args, service, context),
        AnnounceVerb::Off(args) => {
            let (id, _) = transfer(&args.share, service)?;
            service.unannounce(id).map_err(text::of_problem)?;
            context.printer.note(format!(
                "transfer {id} is announced no more; what peers were told they may still pass on"
            ));
            context.printer.event("announcement-removed", serde_json::json!({ "transfer": id }))
        }
        AnnounceVerb::List(_) => {
            let announcements = service.announcements().map_err(text::of_problem)?;
            if announcements.is_empty() {
                context.printer.note("nothing is announced");
            }
            announcements.iter().try_for_each(|announcement| list(announcement, context))
        }
    }
}

fn on(args: &AnnounceOnArgs, service: &dyn Service, context: &Context) -> Result<(), Failure> {
    if let Some(path) = &args.out {
        output::check_free("offer", path)?;
    }
    let (id, model) = transfer(&args.share, service)?;
    let swarm_id = parse_hex(&model.swarm_id);
    let subject = model.subject(context);
    let headline = format!("Publish that this machine has {}?", model.name());
    let question = Question {
        verb: "announce on",
        swarm_id: swarm_id.as_ref(),
        headline: &headline,
        notice: None,
        subject: &subject,
        required: &[Action::Publish],
        optional: &[],
        done: NOTHING_ANNOUNCED,
    };
    let source = agree(context, &question, args.consent.as_ref(), |_| {
        "publish: peers of this model may pass on that this machine has it and where it is, to anyone, until you take it back"
            .to_owned()
    })?;
    let consent = Consent {
        actions: vec![Action::Publish],
        by: source.as_str().to_owned(),
        expires_unix: None,
        quota_bytes: None,
        accept_publisher_key: None,
    };
    let announcement = service.announce(id, consent).map_err(text::of_problem)?;
    if let Some(path) = &args.out {
        output::write("offer", path, format!("{}\n", announcement.offer).as_bytes())?;
    }
    context.printer.note(format!(
        "announced under grant {}; to take it back: `minimodel announce off {id}`",
        announcement.grant
    ));
    if context.printer.is_json() {
        return context.printer.event("announcement", announcement);
    }
    context.printer.answer(escape::harmless(&announcement.offer))
}

fn list(announcement: &Announcement, context: &Context) -> Result<(), Failure> {
    if context.printer.is_json() {
        return context.printer.event("announcement", announcement);
    }
    context.printer.answer(format!(
        "{}  {}  grant {}, offer until {}  {}",
        announcement.transfer,
        escape::shown(&announcement.model),
        announcement.grant,
        escape::shown(&announcement.expires_utc),
        escape::path(announcement.path.as_ref()),
    ))
}
