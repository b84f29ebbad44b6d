//! The end of a fetch: moves the whole file into place, writes its receipt, and reports the result.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use minimodel::checks::CheckRecords;
use minimodel_swarm::driver::{Fetched, PeerShare, SeedEnd};
use minimodel_swarm::store::{
    ChunkSource as _, FileStat, Finished, Part, Placed, Published, RealDisk, StoreError,
};
use minimodel_verifier::Manifest;
use minimodel_verifier::receipt::Receipt;
use minimodel_wire::PeerId;
use serde_json::json;

use super::fetching::{Importing, Plan};
use super::receipt::Facts;
use super::target::{Existing, Target};
use super::{ending, receipt};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::publisher::SignerObject;
use crate::settings::Context;
use crate::size::{show_rate, show_size};

/// Acts on the result of the whole-file check: moves the file into place and writes a receipt, or sets the file aside.
pub(super) fn finish(
    context: &Context,
    plan: &Plan<'_>,
    importing: &Importing,
    part: &Part<RealDisk>,
    fetched: &Fetched,
) -> Result<(), Failure> {
    if let Some(check) = fetched.checks.failures().next() {
        let aside = part.quarantine().map_err(|error| ending::store(&error))?;
        let cause = format!("{}: {}", check.name, escape::shown(&check.detail()));
        return Err(Failure::new(
            Exit::Verification,
            "the file is whole and every chunk is proven, but it is not the artifact that its manifest describes",
            format!(
                "no peer is to blame, the manifest's publisher is: tell them; the file was set aside as `{}`",
                escape::path(&aside)
            ),
        )
        .because(cause));
    }
    let receipt =
        make_receipt(plan, importing, &fetched.checks, (&fetched.peers, true), plan.transfer.full_check)?;
    let published = part.publish().map_err(|error| ending::store(&error))?;
    if let (Ok(stat), Some((hashes, _))) = (part.stat(), part.leaves(0, part.spec().layout.count())) {
        let records = CheckRecords::of(&context.home, &*context.printer);
        records.remember_fetched(&plan.manifest, &published.path(), &stat, &hashes);
    }
    close_import(context, plan, importing, &published, &receipt)
}

fn make_receipt(
    plan: &Plan<'_>,
    importing: &Importing,
    checks: &minimodel_verifier::Report,
    (peers, is_fetched): (&BTreeMap<PeerId, PeerShare>, bool),
    checksum_recomputed: bool,
) -> Result<Receipt, Failure> {
    let facts = Facts {
        publisher: &importing.publisher,
        consents: &importing.consents,
        started_utc: &importing.started_utc,
        checksum_recomputed,
        checks,
        peers,
        is_fetched,
    };
    receipt::make(&plan.manifest, &facts)
}

/// Writes the manifest copy and the receipt beside the file, and removes the record. The next run repeats a step that fails.
fn close_import(
    context: &Context,
    plan: &Plan<'_>,
    importing: &Importing,
    published: &Published<RealDisk>,
    receipt: &Receipt,
) -> Result<(), Failure> {
    let text = receipt.render();
    if let Some(path) = &plan.receipt {
        let written = output::write("receipt", path, text.as_bytes());
        if plan.is_repair {
            // The file is right now: another repair would find nothing to do, and write no receipt.
            let closed = published.close().map_err(|error| ending::store(&error));
            return written.map_err(|failure| unwritten(failure, importing, REPAIRED)).and(closed);
        }
        written.map_err(|failure| {
            let is_taken = path.symlink_metadata().is_ok();
            let hint = if is_taken { TAKEN } else { OTHER_PLACE };
            unwritten(failure, importing, hint)
        })?;
    }
    let beside = plan.receipt.is_none().then_some(text.as_bytes());
    tell_placed(context, importing, published, published.finish(plan.manifest.text().as_bytes(), beside))
}

/// Reports copies that could not be written; closes the import when all are in place.
fn tell_placed(
    context: &Context,
    importing: &Importing,
    published: &Published<RealDisk>,
    finished: Finished,
) -> Result<(), Failure> {
    if let Placed::Different { path } = &finished.manifest {
        let shown = escape::path(path);
        context.printer.warning(&format!("another manifest is already at `{shown}` and was left as it is"));
    }
    match (finished.receipt, finished.manifest) {
        (Some(Placed::Different { path }), _) => Err(in_place_but(
            importing,
            &format!("another receipt is already at `{}` and was left as it is", escape::path(&path)),
            "move it away and run the same command again, or name another place with --receipt FILE: only what is missing is \
             written",
        )),
        (Some(Placed::Failed(error)), _) | (_, Placed::Failed(error)) => {
            let hint = match &error {
                StoreError::Refused { path, .. } | StoreError::Replaced { path } => format!(
                    "look at what is there (`ls -ld {}`) and move it away, then run the same command again: it only writes \
                     what is missing",
                    escape::shell_word(path.as_os_str())
                ),
                _ => "run the same command again: it only writes what is missing".to_owned(),
            };
            Err(unwritten(ending::store(&error), importing, &hint))
        }
        _ => published.close().map_err(|error| ending::store(&error)),
    }
}

/// Hint if the name of the receipt is taken.
const TAKEN: &str = "move away what is there, or name another place with --receipt FILE, then run the same command again: it \
                     only writes what is missing";
/// Hint if the receipt could not be written for another reason.
const OTHER_PLACE: &str = "mend what the cause says, or name another place with --receipt FILE, then run the same command again: \
                           it only writes what is missing";
/// Hint if the receipt of a repair could not be written.
const REPAIRED: &str =
    "the file needs no repair any more; a receipt of it as it is: `minimodel write-import-receipt`";

/// The failure for a copy that could not be written; after the cause it says that the file itself is in place.
fn unwritten(failure: Failure, importing: &Importing, hint: &str) -> Failure {
    let shown = escape::path(&importing.target.artifact);
    let kept = format!(
        "the file is in place and checked as `{shown}`; its receipt or manifest copy could not be written"
    );
    Failure { hint: hint.to_owned(), ..failure }.besides(&kept)
}

fn in_place_but(importing: &Importing, cause: &str, hint: &str) -> Failure {
    let shown = escape::path(&importing.target.artifact);
    Failure::new(Exit::Io, format!("the file `{shown}` is in place and checked, but it has no receipt"), hint)
        .because(cause)
}

/// Ends a fetch whose file is there and right: writes its receipt and manifest copy if they are missing, and nothing else.
pub(super) fn already_there(
    context: &Context,
    plan: &Plan<'_>,
    importing: &Importing,
    existing: &Existing,
) -> Result<(), Failure> {
    let printer = &context.printer;
    let target = &importing.target;
    printer.note(format!("already here, and every check passed: {}", escape::path(&target.artifact)));
    if has_receipt(plan, target, &existing.published)? {
        let finished = existing.published.finish(plan.manifest.text().as_bytes(), None);
        tell_placed(context, importing, &existing.published, finished)?;
    } else {
        let mut peers: BTreeMap<PeerId, PeerShare> = BTreeMap::new();
        for (peer, supplied) in &existing.history.suppliers {
            let share = PeerShare { chunks: supplied.chunks, bytes: supplied.bytes, rejected: None };
            peers.insert(PeerId(*peer), share);
        }
        for blame in &existing.history.blames {
            let reason = format!("chunk {} failed its proof", blame.index);
            peers.entry(PeerId(blame.peer)).or_default().rejected.get_or_insert(reason);
        }
        // A record beside a finished file is that of the fetch that made the file.
        let is_fetched = !peers.is_empty() || existing.history.found_here.chunks > 0;
        let receipt = make_receipt(plan, importing, &existing.checks, (&peers, is_fetched), true)?;
        close_import(context, plan, importing, &existing.published, &receipt)?;
    }
    let publisher = SignerObject::from(&importing.publisher);
    let fields = json!({
        "path": shown(&target.artifact), "receipt": shown(&target.receipt), "publisher": publisher,
    });
    printer.event("already-here", fields)?;
    tell_place(context, target)
}

/// True if there is a receipt for this swarm already.
fn has_receipt(plan: &Plan<'_>, target: &Target, published: &Published<RealDisk>) -> Result<bool, Failure> {
    let found = if plan.receipt.is_some() {
        std::fs::read(&target.receipt).ok()
    } else {
        published.receipt().map_err(|error| ending::store(&error))?
    };
    let receipt = found.and_then(|text| Receipt::parse(&text).ok());
    Ok(receipt.is_some_and(|receipt| receipt.subject().swarm_id == *plan.manifest.swarm_id()))
}

/// A path for JSON, where bytes that are not UTF-8 are replaced.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Reports where file and receipt are, and how to use the file.
pub(super) fn tell_place(context: &Context, target: &Target) -> Result<(), Failure> {
    let printer = &context.printer;
    printer.note(format!("receipt      {}", escape::path(&target.receipt)));
    printer.note(
        "to use it: open TinyRustLM and choose this file in its own file picker; nothing opens it for you",
    );
    if printer.is_json() { Ok(()) } else { printer.answer_path(&target.artifact) }
}

/// Reports what was fetched, how fast, and from which peers. `tail`: time from the last chunk to the receipt.
pub(super) fn tell_done(
    context: &Context,
    plan: &Plan<'_>,
    importing: &Importing,
    fetched: &Fetched,
    tail: Duration,
) -> Result<(), Failure> {
    let (printer, target) = (&context.printer, &importing.target);
    let seconds = fetched.elapsed.as_secs_f64().max(1e-3);
    let rate = (fetched.received_bytes as f64 / seconds) as u64;
    let suppliers = fetched.peers.values().filter(|share| share.chunks > 0).count();
    printer.note(format!(
        "fetched {} in {seconds:.1} s ({}) from {suppliers} {}; all {} checks passed",
        show_size(fetched.received_bytes),
        show_rate(rate),
        if suppliers == 1 { "peer" } else { "peers" },
        fetched.checks.checks().len(),
    ));
    let found = fetched.found_on_disk;
    if found.chunks > 0 {
        let (bytes, chunks) = (show_size(found.bytes), found.chunks);
        printer.note(format!("  {bytes} in {chunks} chunks were on disk; no record names who supplied them"));
    }
    let tail_ms = tail.as_millis() as u64;
    printer.detail(format!("from the last chunk to the receipt: {tail_ms} ms"));
    for (peer, share) in &fetched.peers {
        if let Some(rejected) = &share.rejected {
            printer.note(format!("  peer {peer} was rejected: {}", escape::shown(rejected)));
        }
    }
    if printer.is_json() {
        let peers: BTreeMap<String, serde_json::Value> = fetched
            .peers
            .iter()
            .map(|(peer, share)| {
                (
                    peer.to_string(),
                    json!({"chunks": share.chunks, "bytes": share.bytes, "rejected": share.rejected}),
                )
            })
            .collect();
        let fields = json!({
            "path": shown(&target.artifact), "receipt": shown(&target.receipt), "swarm_id": minimodel_verifier::digest::hex(plan.manifest.swarm_id()),
            "received_bytes": fetched.received_bytes, "found_bytes": found.bytes, "seconds": seconds, "finish_ms": tail_ms, "peers": peers,
            "publisher": SignerObject::from(&importing.publisher),
        });
        printer.event("done", fields)?;
    }
    tell_place(context, target)
}

/// Reports how serving ended; fails if the file changed meanwhile. `stat`: the file's metadata as served, if known.
pub(crate) fn tell_served(
    context: &Context,
    manifest: &Manifest,
    artifact: &Path,
    end: SeedEnd,
    stat: Option<&FileStat>,
) -> Result<(), Failure> {
    let (sent_bytes, is_changed) = (end.sent_bytes(), end.is_changed());
    context.printer.note(format!("{} sent in all", show_size(sent_bytes)));
    context.printer.event("stopped", json!({"sent_bytes": sent_bytes, "source_changed": is_changed}))?;
    if !is_changed {
        return Ok(());
    }
    // The record is removed: a file that changed while its times did not must not be served by it again.
    if let Some(stat) = stat {
        CheckRecords::of(&context.home, &*context.printer).forget(manifest, stat);
    }
    let cause = "the file is no longer the artifact that its manifest names";
    Err(ending::source_changed(artifact).because(cause))
}
