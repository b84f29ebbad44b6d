//! `minimodel import-peer-request`: a request file that agrees with its manifest, then the rest is `fetch`.

use std::sync::Arc;

use crate::args::ImportPeerRequestArgs;
use crate::consent::{How, NOTHING_DONE};
use crate::failure::Failure;
use crate::settings::Context;
use crate::transfer::fetching::{self, Plan};
use crate::transfer::offers;
use crate::{input, request};

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
    };
    fetching::run(context, &plan)
}
