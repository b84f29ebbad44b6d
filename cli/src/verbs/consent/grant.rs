//! `minimodel consent grant`: asks for each action in plain words, and records the grant.

use minimodel::clock::{now_unix, utc};
use minimodel::consent::{NewGrant, NotAGrant};
use minimodel_companion::Service;
use minimodel_verifier::digest::parse_hex;

use super::model::{Names, resolve};
use super::tell;
use crate::args::ConsentGrantArgs;
use crate::consent::{Action, Question, agree};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Context;
use crate::size::show_exact_size;
use crate::text;

const NOTHING_GRANTED: &str = "nothing was granted";

/// Runs the verb.
pub(super) fn run(args: &ConsentGrantArgs, service: &dyn Service, context: &Context) -> Result<(), Failure> {
    if let Some(past) = args.until.filter(|&until| until <= now_unix()) {
        let why = NotAGrant::Past { expires_unix: past, now_unix: now_unix() };
        let hint = "name an end in the future, or see the clock of this machine";
        return Err(Failure::new(Exit::Usage, format!("this cannot be granted: {why}"), hint));
    }
    let names = Names::of(service);
    let model = args.model.as_deref().map(|text| resolve(text, &names)).transpose()?;
    let actions = args.actions.actions();
    let peer = args.peer.map(|peer| peer.to_string());
    let lasts = args.lasts.map(|lasts| lasts.as_millis().div_ceil(1_000));
    let until = lasts.map(|seconds| now_unix().saturating_add(u64::try_from(seconds).unwrap_or(u64::MAX)));
    let expires_unix = until.or(args.until);

    let swarm_id = model.as_ref().and_then(|model| parse_hex(&model.swarm_id));
    let mut subject = match &model {
        Some(model) => model.subject(context),
        None => vec![("model".to_owned(), "any, those that you add later too".to_owned())],
    };
    let mut say = |label: &str, value: String| subject.push((label.to_owned(), value));
    say("with", peer.as_ref().map_or_else(|| "any peer".to_owned(), |peer| format!("peer {peer}")));
    say("ends", expires_unix.map_or_else(|| "when you take it back".to_owned(), utc));
    say("at most", args.quota.map_or_else(|| "no limit of bytes".to_owned(), show_exact_size));

    let question = Question {
        verb: "consent grant",
        swarm_id: swarm_id.as_ref(),
        subject: &subject,
        required: &actions,
        optional: &[],
        done: NOTHING_GRANTED,
    };
    let source = agree(context, &question, args.consent.as_ref(), |action| {
        wording(action, model.is_some(), peer.is_some()).to_owned()
    })?;
    let new = NewGrant {
        actions: actions.into_iter().collect(),
        by: source.as_str().to_owned(),
        expires_unix,
        quota_bytes: args.quota,
        model: model.map(|model| model.swarm_id),
        peer,
    };
    let grants = service.grant(new).map_err(text::of_problem)?;
    for grant in &grants {
        tell::line(&context.printer, &names, grant)?;
    }
    if let Some(first) = grants.first() {
        let which = if grants.len() == 1 { first.id.to_string() } else { "ID".to_owned() };
        context.printer.note(format!("to take it back: `minimodel consent revoke {which}`"));
    }
    Ok(())
}

fn wording(action: Action, has_model: bool, has_peer: bool) -> &'static str {
    match (action, has_model, has_peer) {
        (Action::Fetch, true, false) => {
            "May the companion fetch this model from any peer, who will see this machine's address?"
        }
        (Action::Fetch, true, true) => {
            "May the companion fetch this model from this peer, who will see this machine's address?"
        }
        (Action::Fetch, false, false) => {
            "May the companion fetch any model from any peer, who will see this machine's address?"
        }
        (Action::Fetch, false, true) => {
            "May the companion fetch any model from this peer, who will see this machine's address?"
        }
        (Action::Import, true, _) => {
            "May it put this model, once every check has passed, into a folder that you name?"
        }
        (Action::Import, false, _) => {
            "May it put any model, once every check has passed, into a folder that you name?"
        }
        (Action::Serve, true, false) => {
            "May it send chunks of this model to any peer that asks, while you do not look?"
        }
        (Action::Serve, true, true) => {
            "May it send chunks of this model to this peer, while you do not look?"
        }
        (Action::Serve, false, false) => {
            "May it send chunks of every model that you share to any peer that asks, while you do not look?"
        }
        (Action::Serve, false, true) => {
            "May it send chunks of every model that you share to this peer, while you do not look?"
        }
        (Action::Cache, true, _) => "May it keep this model in the library's own folder?",
        (Action::Cache, false, _) => "May it keep any model that it fetches in the library's own folder?",
        (Action::Publish, true, _) => {
            "May peers of this model pass on that this machine has it and where it is, to anyone?"
        }
        (Action::Publish, false, _) => {
            "May peers of every model that you share pass on that this machine has it and where it is, to anyone?"
        }
    }
}
