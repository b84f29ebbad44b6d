//! `minimodel import-peer-request`: a request file that agrees with its manifest, then the rest is `fetch`.

use std::sync::Arc;

use crate::args::ImportPeerRequestArgs;
use crate::consent::{How, NOTHING_DONE};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Context;
use crate::transfer::fetching::{self, Plan};
use crate::transfer::offers;
use crate::{escape, input, request};

/// Runs the verb.
pub(crate) fn run(args: &ImportPeerRequestArgs, context: &Context) -> Result<(), Failure> {
    let manifest = Arc::new(input::manifest(&args.manifest)?);
    let request = request::read(&args.request, &manifest)?;
    for offer in &request.offers {
        offers::check_fresh(offer)?;
    }
    let plan = Plan {
        verb: "import-peer-request",
        manifest,
        sources: request.offers,
        out: args.out.clone(),
        receipt: None,
        share: &args.share,
        transfer: &args.transfer,
        consent: Some((&request.consent, How::Request)),
        done: NOTHING_DONE,
        is_repair: false,
    };
    fetching::run(context, &plan).map_err(|failure| match failure.class {
        // This verb has no `--consent` that could be added.
        Exit::Consent => Failure { hint: hint(args, &plan), ..failure },
        _ => failure,
    })
}

fn hint(args: &ImportPeerRequestArgs, plan: &Plan<'_>) -> String {
    let needed =
        if plan.transfer.keep_seeding { r#"["fetch", "import", "serve"]"# } else { r#"["fetch", "import"]"# };
    format!("to agree, let `{}` say `\"consent\": {needed}`", escape::path(&args.request))
}
