//! Inspects offers, manifests, receipts, chunk lists, requests, identities, and records of partial files.

use std::path::Path;

use data_encoding::HEXLOWER;
use minimodel::{Identity, clock};
use minimodel_verifier::chunk;
use minimodel_verifier::digest::tagged;
use minimodel_verifier::receipt::{MAX_RECEIPT_BYTES, Receipt};
use minimodel_wire::{OfferError, PeerId, SignedOffer};

use crate::args::OfferArg;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Context;
use crate::size::show_exact_size;
use crate::{input, offer_argument, publisher, report, show};

/// Longest chunk list that is read: the greatest number of chunks, 72 bytes a line.
const MAX_LIST_BYTES: usize = 72 << 24;

type Lines = Vec<(String, String)>;

fn line(label: &str, value: impl Into<String>) -> (String, String) {
    (label.to_owned(), value.into())
}

/// One answer: a table for people, or an event whose fields are the same labels and values.
fn answer(context: &Context, kind: &str, lines: Lines) -> Result<(), Failure> {
    let printer = &context.printer;
    if !printer.is_json() {
        return show::answer(printer, &lines);
    }
    let mut fields = serde_json::Map::new();
    fields.insert("kind".to_owned(), kind.into());
    for (label, value) in lines {
        let label = label.replace(' ', "_");
        // A label that comes twice (evidence, peers) becomes a list.
        match fields.get_mut(&label) {
            None => _ = fields.insert(label, value.into()),
            Some(serde_json::Value::Array(list)) => list.push(value.into()),
            Some(first) => *first = vec![first.take(), value.into()].into(),
        }
    }
    printer.event("inspect", fields)
}

/// Shows an offer, or each of a link or list, after checking its signature.
pub(super) fn offer(context: &Context, argument: &OfferArg) -> Result<(), Failure> {
    let all = offer_argument::read(argument)?;
    let claimed = offer_argument::claimed_name(argument);
    all.iter().try_for_each(|signed| {
        let mut lines = offer_lines(signed);
        lines.extend(
            claimed
                .iter()
                .map(|name| line("called", format!("{name} (by the link, which anyone can write)"))),
        );
        answer(context, "offer", lines)
    })
}

fn offer_lines(signed: &SignedOffer) -> Lines {
    let offer = signed.offer();
    let state = match signed.check_fresh(clock::now_unix()) {
        Ok(()) => "still good",
        Err(OfferError::TooLongLived { .. }) => "further ahead than an offer may hold: no fetch takes it",
        Err(_) => "expired",
    };
    let mut lines = vec![
        line("what", "an offer, signed by its peer"),
        line("peer", offer.peer.to_string()),
        line("swarm", HEXLOWER.encode(&offer.swarm_id)),
        line("expires", format!("{}, {state}", clock::utc(offer.expires_unix))),
    ];
    lines.extend(offer.addresses.iter().map(|address| line("address", address.to_string())));
    lines
}

/// Shows a manifest; for one that is not valid it shows the report, and the exit code is 10.
pub(super) fn manifest(context: &Context, path: &Path) -> Result<(), Failure> {
    let manifest = report::manifest_or_answer(&context.printer, path)?;
    let mut lines = vec![line("what", "a MiniModel manifest, every rule holds")];
    lines.extend(show::subject(&manifest, publisher::verdict_with_warning(context, &manifest).as_ref()));
    lines.extend(show::details(&manifest));
    answer(context, "manifest", lines)
}

/// Shows a receipt after checking its sum.
pub(super) fn receipt(context: &Context, path: &Path) -> Result<(), Failure> {
    let text = input::read_small("receipt", path, MAX_RECEIPT_BYTES)?;
    let receipt = Receipt::parse(&text).map_err(|error| {
        invalid("receipt", path, "it was changed or cut: write it anew with `minimodel write-import-receipt`")
            .because(error)
    })?;
    answer(context, "receipt", receipt_lines(&receipt))
}

fn receipt_lines(receipt: &Receipt) -> Lines {
    let (subject, import) = (receipt.subject(), receipt.import());
    let shown = |text: &str| escape::shown(text).to_string();
    let signature = match &subject.signed_by {
        Some(key) => format!("signed by {}", shown(key)),
        None => "unsigned".to_owned(),
    };
    let mut lines = vec![
        line("what", "an import receipt, its sum is right"),
        line("model", format!("{} {}", shown(&subject.model_id), shown(&subject.model_version))),
        line("publisher", shown(&subject.publisher_id)),
        line("signature", signature),
        line("license", shown(&subject.license_route)),
        line("size", show_exact_size(subject.byte_count)),
        line("artifact", tagged(&subject.artifact_sha256)),
        line("swarm", HEXLOWER.encode(&subject.swarm_id)),
        line("lane", import.lane.as_str()),
        line("started", shown(&import.started_utc)),
        line("finished", shown(&import.finished_utc)),
        line("by", shown(&import.tool_version)),
    ];
    lines.extend(import.consents.iter().map(|consent| {
        line(
            "consent",
            format!("{}, {}, {}", consent.action.as_str(), shown(&consent.at_utc), shown(&consent.by)),
        )
    }));
    lines.extend(import.peers.iter().map(|peer| {
        let rejected =
            peer.rejected.as_deref().map(|why| format!(", rejected: {}", shown(why))).unwrap_or_default();
        line("peer", format!("{}: {} bytes, {} chunks{rejected}", shown(&peer.id), peer.bytes, peer.chunks))
    }));
    lines.extend(import.checks.iter().map(|check| {
        line("check", format!("{} {} {}", check.outcome, shown(&check.name), shown(&check.detail)).trim_end())
    }));
    lines
}

/// Shows a chunk list; only a manifest tells which artifact it belongs to.
pub(super) fn chunk_list(context: &Context, path: &Path) -> Result<(), Failure> {
    let bytes = input::read_small("chunk list", path, MAX_LIST_BYTES)?;
    let chunks = chunk::list::parse(&bytes).map_err(|error| {
        invalid("chunk list", path, "each line is `sha256:`, 64 uppercase hex digits, and a line feed")
            .because(error)
    })?;
    let count = chunks.len().to_string();
    let root = tagged(chunk::Tree::from_chunk_hashes(chunks).root());
    answer(
        context,
        "chunk-list",
        vec![line("what", "a chunk list"), line("chunks", count), line("chunk root", root)],
    )
}

/// Shows a request as far as it can be understood without its manifest.
pub(super) fn request(context: &Context, path: &Path) -> Result<(), Failure> {
    let shown = crate::request::summary(path)?;
    let mut lines =
        vec![line("what", "a request of import-peer-request; its manifest decides whether it is valid")];
    lines.extend(shown);
    answer(context, "request", lines)
}

/// Shows the public ids of an identity, never the secret.
pub(super) fn identity(context: &Context, path: &Path) -> Result<(), Failure> {
    let identity = Identity::read(path)?;
    let lines = vec![
        line("what", "an identity; its secret is not shown"),
        line("peer", identity.peer_id().to_string()),
        line("publisher key", identity.key_id()),
    ];
    answer(context, "identity", lines)
}

/// Shows the record beside a partial file as it is; its content is not proven here.
pub(super) fn record(context: &Context, path: &Path) -> Result<(), Failure> {
    let record = input::record(path)?;
    let mut lines = vec![
        line("what", "the record of a partial file; `minimodel verify-chunks` proves what it says"),
        line("swarm", HEXLOWER.encode(&record.swarm_id)),
        line("size", show_exact_size(record.sizes.byte_count)),
        line(
            "chunks",
            format!(
                "{} of {} recorded, {} bytes each",
                record.chunks.len(),
                record.sizes.chunk_count,
                record.sizes.chunk_size
            ),
        ),
    ];
    let suppliers = record.suppliers().into_iter();
    lines.extend(suppliers.map(|(peer, chunks)| line("peer", format!("{}: {chunks} chunks", PeerId(peer)))));
    let openers = record.openers.iter();
    lines.extend(
        openers.map(|opener| {
            line("session", format!("process {}, {}", opener.pid, clock::utc(opener.now_unix)))
        }),
    );
    let blames = record.blames.iter();
    lines.extend(
        blames.map(|blame| line("blame", format!("{}: bad chunk {}", PeerId(blame.peer), blame.index))),
    );
    if record.dropped_bytes > 0 {
        lines.push(line("torn", format!("{} bytes at the end are no entry", record.dropped_bytes)));
    }
    answer(context, "record", lines)
}

fn invalid(what: &str, path: &Path, hint: &str) -> Failure {
    Failure::new(Exit::Invalid, format!("the {what} `{}` is not valid", escape::path(path)), hint)
}
