//! `minimodel consent`: what the companion may do unattended, what the user agreed to, and taking grants back.

mod grant;
pub(crate) mod model;
mod tell;

use minimodel::consent::{Grant, GrantState};
use minimodel_companion::Service;
use minimodel_companion::api::types;
use serde_json::json;

use self::model::Names;
use crate::args::{ConsentArgs, ConsentVerb};
use crate::companion;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Context;
use crate::text;

/// Runs the verb.
pub(crate) fn run(args: &ConsentArgs, context: &Context) -> Result<(), Failure> {
    if matches!(args.action, ConsentVerb::Restore(_)) {
        return restore(context);
    }
    let service = companion::service(context)?;
    let service = service.as_ref();
    match &args.action {
        ConsentVerb::List(args) => list(args.all, service, context),
        ConsentVerb::Show(args) => {
            let grants = grants(service)?;
            let grant = grants.iter().find(|grant| grant.id == args.id).ok_or_else(|| unknown(args.id))?;
            tell::show(&context.printer, &Names::of(service), grant)
        }
        ConsentVerb::Grant(args) => grant::run(args, service, context),
        ConsentVerb::Revoke(args) => match args.id {
            Some(id) => revoke(&[id], service, context),
            None => {
                let is_held = |grant: &&Grant| grant.state != GrantState::Revoked;
                let ids: Vec<u64> = grants(service)?.iter().filter(is_held).map(|grant| grant.id).collect();
                revoke(&ids, service, context)
            }
        },
        ConsentVerb::Log(args) if args.verify => verify(service, context),
        ConsentVerb::Log(_) | ConsentVerb::Restore(_) => {
            let lines = service.consent_log().map_err(text::of_problem)?;
            if lines.is_empty() {
                context.printer.note("nothing was consented to yet");
            }
            lines.iter().try_for_each(|line| tell::log_line(&context.printer, line))
        }
    }
}

fn grants(service: &dyn Service) -> Result<Vec<Grant>, Failure> {
    service.grants().map_err(text::of_problem)
}

fn unknown(id: u64) -> Failure {
    Failure::new(
        Exit::NotFound,
        format!("there is no grant {id}"),
        "see all grants: `minimodel consent list --all`",
    )
}

fn list(all: bool, service: &dyn Service, context: &Context) -> Result<(), Failure> {
    let grants = grants(service)?;
    let shown: Vec<&Grant> = grants.iter().filter(|grant| all || grant.state == GrantState::Active).collect();
    if shown.is_empty() {
        let ended = grants.len() - shown.len();
        let more = if ended > 0 {
            format!("; {ended} ended: `minimodel consent list --all`")
        } else {
            String::new()
        };
        context.printer.note(format!("no grant permits anything now{more}"));
    }
    let names = Names::of(service);
    shown.into_iter().try_for_each(|grant| tell::line(&context.printer, &names, grant))
}

fn revoke(ids: &[u64], service: &dyn Service, context: &Context) -> Result<(), Failure> {
    for &id in ids {
        let grant = service.revoke(id).map_err(text::of_problem)?;
        context.printer.event("grant-revoked", types::Grant::from(grant))?;
    }
    context.printer.note(match ids {
        [] => "there is no grant to take back".to_owned(),
        [id] => format!("grant {id} is taken back; what ran under it alone stops"),
        ids => format!("{} grants are taken back; what ran under them stops", ids.len()),
    });
    Ok(())
}

/// Accepts the consent log as it is now. Refused while a companion runs, because its grants rest on the log that is given up.
fn restore(context: &Context) -> Result<(), Failure> {
    if companion::running(context)?.is_some() {
        let error = "the consent log cannot be restored while a companion runs";
        return Err(Failure::new(Exit::Busy, error, "end it first: `minimodel companion stop`"));
    }
    let given_up = companion::open_at_rest(context)?.restore_log().map_err(text::of_problem)?;
    context.printer.event("consent-log-restored", json!({"given_up": given_up}))?;
    context.printer.note(if given_up == 0 {
        "the consent log is the one that it was; nothing was changed"
    } else {
        "the consent log is taken as it is now, and that stands in it; all its grants have ended, so grant again what you want \
         to grant"
    });
    Ok(())
}

fn verify(service: &dyn Service, context: &Context) -> Result<(), Failure> {
    let verdict = service.verify_log().map_err(text::of_problem)?;
    context.printer.event("consent-log-verified", types::LogVerdict::from(verdict.clone()))?;
    if verdict.ok {
        if !context.printer.is_json() {
            context.printer.answer(tell::verdict(&verdict))?;
        }
        return Ok(());
    }
    let holds = format!("{} chained lines hold", verdict.entries);
    let hint = "end the companion, move `consent.log` and `consent.head` away together (or put both back from one copy), then \
                run `minimodel consent restore`: it ends all grants, and you grant again what you want to grant";
    let failure = Failure::new(Exit::Invalid, "the consent log is damaged, and nothing is granted", hint);
    Err(failure.because(format!("{}; {holds}", verdict.fault.unwrap_or_default())).answered())
}
