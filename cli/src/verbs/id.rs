//! `minimodel id`: the user's identity towards peers and readers of signed manifests.

use minimodel::Identity;
use serde::Serialize;

use crate::args::{IdAction, IdArgs};
use crate::escape;
use crate::failure::Failure;
use crate::settings::Context;

/// The answer under `--json`.
#[derive(Serialize)]
struct IdObject {
    peer_id: String,
    key_id: String,
    path: String,
    created: bool,
}

/// Shows the identity, which is created on first use, or creates it.
pub(crate) fn run(args: &IdArgs, context: &Context) -> Result<(), Failure> {
    let identity = match &args.action {
        IdAction::Show(_) => Identity::load_or_create(&context.home, &*context.printer)?,
        IdAction::New(_) => Identity::create_new(&context.home, &*context.printer)?,
    };
    answer(&identity, context)
}

fn answer(identity: &Identity, context: &Context) -> Result<(), Failure> {
    let printer = &context.printer;
    if printer.is_json() {
        let fields = IdObject {
            peer_id: identity.peer_id().to_string(),
            key_id: identity.key_id(),
            path: identity.path.to_string_lossy().into_owned(),
            created: identity.is_new,
        };
        return printer.event("id", fields);
    }
    printer.answer(identity.peer_id().to_string())?;
    printer.note(format!("as a publisher: {}", identity.key_id()));
    printer.note(format!("kept in: {}", escape::path(&identity.path)));
    Ok(())
}
