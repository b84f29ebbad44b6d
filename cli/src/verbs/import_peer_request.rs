//! `minimodel import-peer-request`: checks a request file against its manifest; the rest is `fetch`.
//!
//! The file comes from another person, so its list of consents is a question and no answer: on a terminal the user is
//! asked, and elsewhere `--consent` must repeat exactly these actions.

use std::sync::Arc;

use minimodel::clock::now_unix;
use minimodel::transfer::check_offer;

use crate::args::ImportPeerRequestArgs;
use crate::consent::{ConsentFlag, NOTHING_DONE};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow;
use crate::interrupt::Interrupt;
use crate::settings::Context;
use crate::{input, request};

/// Runs the verb.
pub(crate) fn run(args: &ImportPeerRequestArgs, context: &Context) -> Result<(), Failure> {
    if args.share.end_with_stdin {
        Interrupt::listen()?.end_with_stdin()?;
    }
    let manifest = Arc::new(input::manifest(&args.manifest)?);
    let request = request::read(&args.request, &manifest)?;
    for offer in &request.offers {
        check_offer(offer, None, now_unix())?;
    }
    let needed = follow::needed(&args.transfer).iter().chain(&request.asks).copied().collect();
    check_repeated(args.consent.as_ref(), &ConsentFlag::of(needed), context.settings.can_ask)?;
    let fetch = follow::Fetch {
        verb: "import-peer-request",
        manifest,
        sources: request.offers,
        out: args.out.clone(),
        receipt: None,
        share: &args.share,
        transfer: &args.transfer,
        consent: args.consent.as_ref(),
        asked_besides: &request.asks,
        advance: None,
        done: NOTHING_DONE,
        is_repair: false,
    };
    follow::fetch(context, &fetch)
}

/// Refuses a flag that differs from what the request asks for, and a missing flag if the user cannot be asked: a script
/// that consents to one request has not consented to another that asks for more.
fn check_repeated(flag: Option<&ConsentFlag>, needed: &ConsentFlag, can_ask: bool) -> Result<(), Failure> {
    let cause = match flag {
        Some(flag) if flag == needed => return Ok(()),
        Some(flag) => format!("the request asks for `{needed}`, and `--consent {flag}` is not the same"),
        None if can_ask => return Ok(()),
        None => {
            "no consent was given, and there is no terminal to ask on; a request file can only ask".to_owned()
        }
    };
    let error = format!("import-peer-request needs consent to {needed}; {NOTHING_DONE}");
    Err(Failure::new(Exit::Consent, error, format!("to agree, add `--consent {needed}`")).because(cause))
}
