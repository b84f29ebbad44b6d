//! The last lines of a fetch: what came from whom, and where it is.

use std::collections::BTreeMap;
use std::path::Path;

use minimodel::publishers::SignerVerdict;
use minimodel::transfer::{Imported, Summary};
use minimodel_verifier::digest::hex;
use serde_json::json;

use crate::escape;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::publisher::SignerObject;
use crate::size::{show_rate, show_size};

/// Reports the end of a fetch.
pub(super) fn tell(printer: &Printer, imported: &Imported, verdict: &SignerVerdict) -> Result<(), Failure> {
    match &imported.summary {
        Some(summary) => tell_done(printer, imported, summary, verdict)?,
        None => {
            let fields = json!({
                "path": shown(&imported.path), "receipt": shown(&imported.receipt_path),
                "publisher": SignerObject::from(verdict),
            });
            printer.event("already-here", fields)?;
        }
    }
    tell_place(printer, imported)
}

/// A path for JSON, where bytes that are not UTF-8 are replaced.
fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Reports where file and receipt are, and how to use the file.
fn tell_place(printer: &Printer, imported: &Imported) -> Result<(), Failure> {
    printer.note(format!("receipt      {}", escape::path(&imported.receipt_path)));
    printer.note(
        "to use it: open TinyRustLM and choose this file in its own file picker; nothing opens it for you",
    );
    if printer.is_json() { Ok(()) } else { printer.answer_path(&imported.path) }
}

/// Reports what was fetched, how fast, and from which peers.
fn tell_done(
    printer: &Printer,
    imported: &Imported,
    summary: &Summary,
    verdict: &SignerVerdict,
) -> Result<(), Failure> {
    let seconds = summary.elapsed.as_secs_f64().max(1e-3);
    let rate = (summary.received_bytes as f64 / seconds) as u64;
    let suppliers = summary.peers.values().filter(|share| share.chunks > 0).count();
    printer.note(format!(
        "fetched {} in {seconds:.1} s ({}) from {suppliers} {}; all {} checks passed",
        show_size(summary.received_bytes),
        show_rate(rate),
        if suppliers == 1 { "peer" } else { "peers" },
        summary.checks.checks().len(),
    ));
    let found = summary.found_on_disk;
    if found.chunks > 0 {
        let (bytes, chunks) = (show_size(found.bytes), found.chunks);
        printer.note(format!("  {bytes} in {chunks} chunks were on disk; no record names who supplied them"));
    }
    let tail_ms = summary.tail.as_millis() as u64;
    printer.detail(format!("from the last chunk to the receipt: {tail_ms} ms"));
    for (peer, share) in &summary.peers {
        if let Some(rejected) = &share.rejected {
            printer.note(format!("  peer {peer} was rejected: {}", escape::shown(rejected)));
        }
    }
    if !printer.is_json() {
        return Ok(());
    }
    let peers: BTreeMap<String, serde_json::Value> = summary
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
        "path": shown(&imported.path), "receipt": shown(&imported.receipt_path),
        "swarm_id": hex(&imported.receipt.subject().swarm_id),
        "received_bytes": summary.received_bytes, "found_bytes": found.bytes, "seconds": seconds,
        "finish_ms": tail_ms, "peers": peers, "publisher": SignerObject::from(verdict),
    });
    printer.event("done", fields)
}
