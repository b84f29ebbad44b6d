//! `seed` and `fetch` while a companion runs: the user sees the same questions and answers, but the companion does the work.

use std::path::{Path, PathBuf};

use minimodel::transfer::STALL_TIMEOUT;
use minimodel_companion::model::{
    Consent, Endpoint, Kind, NewFetch, NewShare, State, Transfer, TransferLimits,
};
use minimodel_companion::{Service, doctor};
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::hex;
use minimodel_wire::SignedOffer;

use super::asking::{Asking, consent_of, forget_new};
use super::follow::{self, Followed, Undo};
use crate::args::{FetchArgs, OrderChoice, PublisherOptions, SeedArgs, ShareOptions};
use crate::consent::{Action, Advance, ConsentFlag, ConsentSource, MANIFEST_ASKED};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Context;
use crate::size::Rate;
use crate::text::of_problem as failure;

/// Hands a share over to the companion and follows it until Ctrl-C; with `--detach`, until it has an offer or waits.
pub(crate) fn seed(
    service: &dyn Service,
    args: &SeedArgs,
    context: &Context,
    manifest: &Manifest,
    members: &[SignedOffer],
) -> Result<(), Failure> {
    let new = NewShare {
        manifest: Some(manifest.text()),
        offers: members.iter().map(ToString::to_string).collect(),
        path: Some(absolute(&args.artifact)?),
        endpoint: endpoint(&args.share),
        limits: TransferLimits { slots: args.slots, ..limits(&args.share, None) },
        allow: names(&args.share),
        consent: accepting(&args.publisher),
        ..NewShare::default()
    };
    let before = going(service)?;
    let added = service.share(new).map_err(failure)?;
    let undo = undo_of(&before, &added);
    let mut question = Asking::new(context, "seed", args.consent.as_ref(), &args.publisher);
    question.quota = args.share.quota;
    let transfer = question.agree_or_drop(service, added)?;
    follow::seed(service, context, &transfer, args.handing.detach, undo)
}

/// Chooses the effect of Ctrl-C on the transfer: it undoes what this call added or started.
fn undo_of(before: &[u64], added: &Transfer) -> Undo {
    match (before.contains(&added.id), added.is_new) {
        (true, _) => Undo::Leave,
        (false, true) => Undo::Forget,
        (false, false) => Undo::Pause,
    }
}

/// Ids of the transfers that run or wait without a question to the user.
fn going(service: &dyn Service) -> Result<Vec<u64>, Failure> {
    let goes_on = |transfer: &Transfer| {
        matches!(transfer.state, State::Preparing | State::Running | State::Waiting)
            && transfer.question.is_none()
    };
    let transfers = service.status().map_err(failure)?.transfers;
    Ok(transfers.iter().filter(|transfer| goes_on(transfer)).map(|transfer| transfer.id).collect())
}

/// A fetch that is handed over.
pub(crate) struct FetchHandOver<'a> {
    service: &'a dyn Service,
    args: &'a FetchArgs,
    context: &'a Context,
    asking: Asking<'a>,
    sources: &'a [SignedOffer],
}

impl<'a> FetchHandOver<'a> {
    pub(crate) fn new(
        service: &'a dyn Service,
        args: &'a FetchArgs,
        context: &'a Context,
        sources: &'a [SignedOffer],
    ) -> Self {
        let verb = args.verb();
        let mut asking = Asking::new(context, verb, args.consent.as_ref(), &args.transfer.publisher);
        (asking.quota, asking.mirrors) = (args.share.quota, args.transfer.mirrors);
        Self { service, args, context, asking, sources }
    }

    /// Hands the fetch over to the companion and follows it to its end; with `--detach`, does not follow it. `advance`:
    /// consent that was given before the manifest was known.
    pub(crate) fn with_manifest(
        mut self,
        manifest: &Manifest,
        advance: Option<Advance>,
    ) -> Result<(), Failure> {
        let new = NewFetch { manifest: Some(manifest.text()), ..new_fetch(self.args, self.sources)? };
        let before = going(self.service)?;
        let added = self.service.fetch(new.clone()).map_err(failure)?;
        let again = self.handed_back(&before, new, &added);
        if self.args.manifest.is_none() {
            self.asking.done = MANIFEST_ASKED;
        }
        self.asking.advance = advance;
        self.finish(added, again.as_ref())
    }

    /// As [`Self::with_manifest`], for a user who has only an offer: the companion asks the peer for the manifest, unless it has
    /// it, if the flag or grants permit that for this very transfer. `None`: they do not; nothing was dialed, and the user must
    /// agree first.
    pub(crate) fn by_offer(mut self) -> Result<Option<()>, Failure> {
        let (service, flag) = (self.service, self.args.consent.as_ref());
        let new = new_fetch(self.args, self.sources)?;
        if flag.is_none() && self.is_asked_already(&new)? {
            return Ok(None);
        }
        let before = going(service)?;
        let added = service.fetch(new.clone()).map_err(failure)?;
        let is_new = added.is_new;
        let added = match (&added.question, flag) {
            (Some(_), None) if added.model_id.is_empty() => {
                forget_new(service, &added);
                return Ok(None);
            }
            (_, Some(flag)) if added.model_id.is_empty() => {
                let agreed = self.agree_to_ask(&added, flag);
                agreed.inspect_err(|_| forget_new(service, &added))?
            }
            // Answered before the import begins, so that the receipt cites the flag's consent and the consent ends with the transfer.
            (None, Some(_)) => self.asking.agree_or_drop(service, added)?,
            _ => added,
        };
        let added = Transfer { is_new, ..added };
        let again = self.handed_back(&before, new, &added);
        let added = self.learned(added, again.as_ref())?;
        self.finish(added, again.as_ref()).map(Some)
    }

    /// True if a fetch of this swarm into this folder already asks the user whether its manifest may be requested. Handing
    /// over another would withdraw that question before the user has agreed to the new one.
    fn is_asked_already(&self, new: &NewFetch) -> Result<bool, Failure> {
        let swarms: Vec<String> = self.sources.iter().map(|offer| hex(&offer.offer().swarm_id)).collect();
        let out = new.out.as_deref().map(Path::to_string_lossy).unwrap_or_default();
        let transfers = self.service.status().map_err(failure)?.transfers;
        Ok(transfers.iter().any(|other| {
            (other.kind, other.state) == (Kind::Fetch, State::Asking)
                && other.model_id.is_empty()
                && swarms.contains(&other.swarm_id)
                && other.path == out
        }))
    }

    /// Records the flag's consent before the manifest is known. If the companion asks for it, that is the consent to request
    /// the manifest. If a standing grant permits the request already, the import may begin at once, so the flag's consents
    /// to import and cache are recorded as well: the receipt cites them, and they end with the transfer.
    fn agree_to_ask(&self, transfer: &Transfer, flag: &ConsentFlag) -> Result<Transfer, Failure> {
        let (mut consent, early) = match &transfer.question {
            Some(open) => (self.asking.ask(transfer, open)?, &[Action::Fetch][..]),
            None => (
                consent_of(flag.actions(), ConsentSource::Flag),
                &[Action::Fetch, Action::Import, Action::Cache][..],
            ),
        };
        consent.actions.retain(|action| early.contains(action));
        if consent.actions.is_empty() {
            return Ok(transfer.clone());
        }
        self.service.answer(transfer.id, consent).map_err(failure)
    }

    /// The settings with which a fetch that ran before this call goes on: as with `--detach`, it waits for peers.
    fn handed_back(&self, before: &[u64], new: NewFetch, added: &Transfer) -> Option<NewFetch> {
        before.contains(&added.id).then_some(NewFetch { stall_seconds: named_patience(self.args), ..new })
    }

    /// Waits until the companion has the manifest, or until the fetch rests; with `--detach`, not while it waits.
    fn learned(&mut self, added: Transfer, again: Option<&NewFetch>) -> Result<Transfer, Failure> {
        let (service, printer) = (self.service, &self.context.printer);
        let mut followed = Followed::new(service, self.context, &added)?;
        let is_new = added.is_new;
        let mut now = added;
        while now.model_id.is_empty() {
            if now.state == State::Preparing && self.asking.done != MANIFEST_ASKED {
                self.asking.done = MANIFEST_ASKED;
                printer.note(format!("the companion asks for the manifest, as transfer {}", now.id));
            }
            match now.state {
                State::Failed => {
                    forget_new(service, &now);
                    return Err(follow::failed(now));
                }
                State::Asking | State::Paused | State::Done => break,
                State::Waiting if self.args.handing.detach => break,
                State::Waiting => {
                    if let Some(failure) = follow::held_up(&now) {
                        return Err(failure);
                    }
                }
                State::Preparing | State::Running => {}
            }
            let cause = now.cause.filter(|_| now.state == State::Waiting);
            if let Some(cause) = followed.tell_idle(cause)? {
                printer.note(format!("transfer {} waits: {}", now.id, doctor::words(cause)));
            }
            if let Some(stopped) = followed.let_go(again)? {
                return Err(stopped);
            }
            now = Transfer { is_new, ..followed.read_again()? };
        }
        Ok(now)
    }

    /// Asks for the consents that are still missing, then follows the fetch.
    fn finish(&self, added: Transfer, again: Option<&NewFetch>) -> Result<(), Failure> {
        let detach = self.args.handing.detach;
        let transfer = self.asking.agree_or_drop(self.service, added)?;
        if transfer.model_id.is_empty() && detach {
            tell_what_it_will_need(self.args, self.context, transfer.id);
        }
        follow::fetch(self.service, self.context, &transfer, detach, again)
    }
}

/// Lists the consents that a detached fetch will need when the manifest arrives, because the user cannot be asked then.
fn tell_what_it_will_need(args: &FetchArgs, context: &Context, id: u64) {
    let agreed: Vec<Action> = args.consent.iter().flat_map(ConsentFlag::actions).collect();
    let needs = [
        (Action::Import, true),
        (Action::Cache, args.out.is_none()),
        (Action::Serve, args.transfer.keep_seeding),
        (Action::Publish, args.transfer.mirrors),
    ];
    let lacks = needs.iter().filter(|(action, is_needed)| *is_needed && !agreed.contains(action));
    let lacks: Vec<String> = lacks.map(|(action, _)| format!("`{}`", action.as_str())).collect();
    if !lacks.is_empty() {
        context.printer.note(format!(
            "when it has the manifest it needs consent to {}: where no grant gives that, it waits for `minimodel transfer start {id}`",
            lacks.join(" and ")
        ));
    }
}

/// Seconds of `--stall-timeout`, if that was given.
fn named_patience(args: &FetchArgs) -> Option<u64> {
    args.transfer.stall_timeout.map(|patience| patience.as_secs().max(1))
}

fn new_fetch(args: &FetchArgs, sources: &[SignedOffer]) -> Result<NewFetch, Failure> {
    let transfer = &args.transfer;
    Ok(NewFetch {
        manifest: None,
        offers: sources.iter().map(ToString::to_string).collect(),
        out: args.out.as_deref().map(absolute).transpose()?,
        receipt: args.receipt.as_deref().map(absolute).transpose()?,
        endpoint: endpoint(&args.share),
        limits: limits(&args.share, transfer.down),
        allow: names(&args.share),
        sequential: matches!(transfer.order, OrderChoice::Sequential),
        full_check: transfer.full_check,
        keep_seeding: transfer.keep_seeding,
        publisher_key: transfer.publisher.publisher_key.map(|key| key.to_string()),
        consent: accepting(&transfer.publisher),
        // A fetch that is followed ends when it stalls; a detached fetch waits for peers.
        stall_seconds: named_patience(args)
            .or_else(|| (!args.handing.detach).then_some(STALL_TIMEOUT.as_secs())),
    })
}

/// The consent that accepts a publisher's key by flag, sent with the new transfer so that it holds from its beginning.
fn accepting(options: &PublisherOptions) -> Option<Consent> {
    let accepted = options.accept_publisher_key?;
    Some(Consent { accept_publisher_key: Some(accepted.to_string()), ..consent_of([], ConsentSource::Flag) })
}

/// The absolute path. The interface transmits paths as text, so a path that is not UTF-8 is refused.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let absolute = std::path::absolute(path).map_err(|error| Failure::reading("path", path, &error))?;
    if absolute.to_str().is_none() {
        let error = format!("the companion takes no name that is not UTF-8: `{}`", escape::path(path));
        return Err(Failure::new(
            Exit::Usage,
            error,
            "do it in this process with --here, or use another name",
        ));
    }
    Ok(absolute)
}

fn endpoint(options: &ShareOptions) -> Endpoint {
    Endpoint { listen: options.listen, advertise: options.advertise.clone() }
}

fn limits(options: &ShareOptions, down: Option<Rate>) -> TransferLimits {
    let rate = |rate: Option<Rate>| rate.map(|rate| rate.bytes_per_second);
    TransferLimits { up: rate(options.up), down: rate(down), slots: None }
}

fn names(options: &ShareOptions) -> Vec<String> {
    options.allow.iter().map(ToString::to_string).collect()
}
