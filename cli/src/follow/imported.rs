//! The last lines of a fetch in this process: what came from whom, and where it is.

use minimodel::publishers::SignerVerdict;
use minimodel::transfer::{Imported, Summary};
use minimodel_verifier::digest::hex;
use serde_json::json;

use super::teller::{Completion, Teller, shown};
use crate::escape;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::publisher::SignerObject;
use crate::size::{show_rate, show_size};

/// Reports the end of a fetch.
pub(super) fn tell(
    printer: &Printer,
    teller: &Teller,
    imported: &Imported,
    verdict: &SignerVerdict,
) -> Result<(), Failure> {
    match &imported.summary {
        Some(summary) => {
            let seconds = summary.elapsed.as_secs_f64().max(1e-3);
            tell_summary(printer, summary, seconds);
            teller.done(&Completion {
                path: &imported.path,
                receipt_path: &imported.receipt_path,
                receipt: Some(&imported.receipt),
                swarm_id: &hex(&imported.receipt.subject().swarm_id),
                received_bytes: summary.received_bytes,
                seconds,
                finish_ms: Some(summary.tail.as_millis() as u64),
                publisher: Some(verdict),
            })?;
        }
        None => {
            let fields = json!({
                "path": shown(&imported.path), "receipt": shown(&imported.receipt_path),
                "publisher": SignerObject::from(verdict),
            });
            printer.event("already-here", fields)?;
        }
    }
    teller.place(&imported.path, &imported.receipt_path)
}

/// Reports what was fetched, how fast, and from which peers.
fn tell_summary(printer: &Printer, summary: &Summary, seconds: f64) {
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
}
