//! `minimodel companion sessions`: the browsers that use the companion's page.

use minimodel_companion::api::types::Session;
use minimodel_companion::client::Client;
use serde_json::json;

use crate::args::{RevokeSessionArgs, SessionsAction, SessionsArgs};
use crate::companion;
use crate::failure::Failure;
use crate::settings::Context;
use crate::text::{no_companion, of_problem};

/// Runs the verb.
pub(crate) fn run(args: &SessionsArgs, context: &Context) -> Result<(), Failure> {
    let client = companion::running(context)?.ok_or_else(no_companion)?;
    let sessions = client.sessions().map_err(of_problem)?;
    match &args.action {
        None => list(&sessions, context),
        Some(SessionsAction::Revoke(args)) => revoke(args, &sessions, &client, context),
    }
}

fn list(sessions: &[Session], context: &Context) -> Result<(), Failure> {
    if sessions.is_empty() && !context.printer.is_json() {
        context.printer.note("no browser uses the page: `minimodel open` begins a session");
    }
    for session in sessions {
        if context.printer.is_json() {
            context.printer.event("session", session)?;
        } else {
            let Session { id, created_utc, last_used_utc, .. } = session;
            context.printer.answer(format!("{id}  since {created_utc}, last used {last_used_utc}"))?;
        }
    }
    Ok(())
}

fn revoke(
    args: &RevokeSessionArgs,
    open: &[Session],
    client: &Client,
    context: &Context,
) -> Result<(), Failure> {
    let ids = args.id.map_or_else(|| open.iter().map(|session| session.id).collect(), |id| vec![id]);
    for id in ids {
        client.end_session(id).map_err(of_problem)?;
        context.printer.note(format!("session {id} has ended"));
        context.printer.event("session-ended", json!({"id": id}))?;
    }
    Ok(())
}
