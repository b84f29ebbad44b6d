//! `minimodel consent grant`: asks once, with each action in plain words, and records the grant.

use minimodel::clock::{now_unix, utc};
use minimodel::consent::{NewGrant, NotAGrant};
use minimodel_companion::Service;
use minimodel_verifier::digest::parse_hex;

use super::model::{Model, Names, resolve};
use super::tell;
use crate::args::ConsentGrantArgs;
use crate::consent::{Action, Question, agree, in_a_row};
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

    let headline = headline(&actions, model.as_ref(), expires_unix);
    let question = Question {
        verb: "consent grant",
        swarm_id: swarm_id.as_ref(),
        headline: &headline,
        notice: None,
        subject: &subject,
        required: &actions,
        optional: &[],
        done: NOTHING_GRANTED,
    };
    let source = agree(context, &question, args.consent.as_ref(), |action| {
        meaning(action, model.is_some(), peer.is_some())
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

/// What a grant of one action permits. `model`, `peer`: whether it is for one alone.
fn meaning(action: Action, has_model: bool, has_peer: bool) -> String {
    let peer = if has_peer { "this peer" } else { "any peer" };
    let model = if has_model { "this model" } else { "any model" };
    let shared = if has_model { "this model" } else { "every model that you share" };
    match action {
        Action::Fetch => format!("fetch {model} from {peer}, who sees this machine's address"),
        Action::Import => {
            format!("import {model}, once every check has passed, into a folder that you name")
        }
        Action::Serve => {
            let asks = if has_peer { "" } else { " that asks" };
            format!("serve chunks of {shared} to {peer}{asks}, while you do not look")
        }
        Action::Cache => format!("cache {model} in the library's own folder"),
        Action::Publish => {
            format!(
                "publish to the peers of {shared}, who may tell anyone, that this machine has it and where"
            )
        }
        Action::Lan => format!(
            "look for peers of {model} on the network at hand, and let anyone there who has the manifest find what you publish"
        ),
        Action::Dht => format!(
            "ask the public DHT of BitTorrent for peers of {model}, and let anyone who has the manifest see there where you publish it"
        ),
        Action::Map => "have the router let others in at one port, while something is shared".to_owned(),
        Action::Executable => format!("take {model}, even if it can run code when a program loads it"),
    }
}

/// The question in one line: `Let the companion fetch and import any model, until you take it back?`
fn headline(actions: &[Action], model: Option<&Model>, expires_unix: Option<u64>) -> String {
    let words: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
    let model = model.map_or_else(|| "any model".to_owned(), Model::name);
    let until = expires_unix.map_or_else(|| "you take it back".to_owned(), utc);
    format!("Let the companion {} {model}, until {until}?", in_a_row(&words, "and"))
}
