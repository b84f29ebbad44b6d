//! A share in this process.

use std::sync::Arc;

use minimodel::ShareCheck;
use minimodel::clock::{now_utc, utc};
use minimodel::consent::RunConsent;
use minimodel::publishers::SignerVerdict;
use minimodel::transfer::{self, Consents, Control, Limits, ShareError, SharePlan};
use minimodel_companion::model::Kind;
use minimodel_swarm::driver::Controls;
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;
use serde_json::json;

use super::{Follower, allowed, endpoint, expect, fetch, tell_served};
use crate::args::SeedArgs;
use crate::escape;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Context;
use crate::text;

/// A share that the user agreed to.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    /// The arguments of `seed`.
    pub(crate) args: &'a SeedArgs,
    /// The manifest.
    pub(crate) manifest: Arc<Manifest>,
    /// The verdict on the manifest's key.
    pub(crate) publisher: &'a SignerVerdict,
    /// Members to keep in touch with.
    pub(crate) members: Vec<SignedOffer>,
    /// Peers that dial us, for which a router or firewall here is kept open.
    pub(crate) expected: Vec<SignedOffer>,
    /// More of them come on stdin.
    pub(crate) listens: bool,
    /// The consents.
    pub(crate) granted: &'a RunConsent,
}

/// Checks a file and serves it until Ctrl-C.
pub(crate) fn run(context: &Context, share: &Share<'_>) -> Result<(), Failure> {
    let args = share.args;
    let plan = SharePlan {
        activity: "seed",
        manifest: share.manifest.clone(),
        path: args.artifact.clone(),
        consents: Consents::to_share(share.granted.for_receipt())?,
        endpoint: endpoint(&args.share),
        members: share.members.clone(),
        earlier: Vec::new(),
        rechecks: args.recheck,
    };
    let control = Control::new(Limits {
        controls: Controls {
            allow: allowed(&args.share),
            slots: args.slots.map(usize::from),
            expected: share.expected.clone(),
            ..Controls::default()
        },
        up: args.share.up.map(|rate| rate.bytes_per_second),
        gate: fetch::gate(&args.share),
        ..Limits::default()
    });
    if share.listens {
        expect::from_stdin(context.printer.clone(), control.clone(), share.manifest.clone())?;
    }
    let follower = Follower::new(context, Kind::Share, share.manifest.byte_count(), share.publisher, control);
    let follower = Follower { offer_out: args.share.offer_out.clone(), ..follower };
    let served = follower.follow(|run| {
        transfer::share(run, &plan).map_err(|error| match error {
            ShareError::NotTheArtifact { path, report } => {
                text::not_served(&path, &report, Some(&args.manifest))
            }
            error => error.into(),
        })
    })?;
    tell_served(context, &args.artifact, served)
}

/// Prints how the file was checked.
pub(super) fn tell_checked(printer: &Printer, check: &ShareCheck, kind: Kind) -> Result<(), Failure> {
    match check {
        ShareCheck::Unchanged { checked_unix, how } => {
            let at = utc(*checked_unix);
            let by_flag = if kind == Kind::Share { " (--recheck reads it)" } else { "" };
            printer.note(format!(
                "unchanged since its {how} on {at}: not read again{by_flag}; each chunk is hashed before it is sent for \
                 the first time"
            ));
            let fields = json!({"read": false, "checked_utc": at, "by": how.to_string(), "because": null});
            printer.event("checked", fields)
        }
        ShareCheck::Reads { because } => {
            printer.detail(format!("the file is read: {}", escape::shown(&text::miss(because))));
            Ok(())
        }
        ShareCheck::Read { checks, how, because } => {
            printer.note(format!("all {checks} checks passed"));
            let (at, by) = (now_utc(), how.to_string());
            let fields = json!({"read": true, "checked_utc": at, "by": by, "because": text::miss(because)});
            printer.event("checked", fields)
        }
        _ => Ok(()),
    }
}
