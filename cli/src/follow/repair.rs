//! `verify-artifact --repair`, in this process.

use std::path::Path;
use std::sync::Arc;

use minimodel::clock;
use minimodel::transfer::{self, End, RepairError, RepairIf, RepairedFile, Run, Similarity};
use minimodel_verifier::Manifest;
use serde_json::json;

pub(crate) use minimodel::transfer::is_under_way;

use super::fetch::{ASKED_BESIDES, Fetch, follower, plan};
use crate::args::{PublisherOptions, RepairOptions, ShareOptions, TransferOptions};
use crate::consent::NOTHING_DONE;
use crate::escape;
use crate::failure::Failure;
use crate::offer_argument;
use crate::printer::{Line, Tone};
use crate::settings::Context;
use crate::size::show_size;
use crate::text;

/// Number of chunks that people are shown; the event lists all of them.
const SHOWN: usize = 12;

/// Repairs a file that was found to be wrong: asks for consent, fetches the wrong chunks, checks the whole file, and
/// reports which chunks were wrong.
pub(crate) fn run(
    context: &Context,
    manifest: Manifest,
    artifact: &Path,
    options: &RepairOptions,
    publisher: &PublisherOptions,
) -> Result<(), Failure> {
    let manifest = Arc::new(manifest);
    let mut sources = Vec::new();
    for argument in &options.peer {
        sources.extend(offer_argument::fresh(argument, &context.printer)?);
    }
    for offer in &sources {
        transfer::check_offer(offer, Some(&manifest), clock::now_unix())?;
    }
    let (begun_unix, receipt) = (clock::now_unix(), options.receipt.as_deref());
    let target = transfer::repair_target(artifact, &manifest, receipt)?;
    let share = ShareOptions { listen: options.listen, ..ShareOptions::default() };
    let how = TransferOptions {
        down: options.down,
        stall_timeout: options.stall_timeout,
        publisher: *publisher,
        ..TransferOptions::default()
    };
    let fetch = Fetch {
        verb: "verify-artifact",
        manifest,
        sources,
        out: target.folder.clone(),
        receipt: Some(target.receipt.clone()),
        share: &share,
        transfer: &how,
        consent: options.consent.as_ref(),
        asked_besides: ASKED_BESIDES,
        advance: None,
        done: NOTHING_DONE,
        is_repair: true,
    };
    let plan = plan(context, &fetch, target, begun_unix)?;
    let attempt = |condition| {
        // A file that may be another one is no failure of the run yet.
        let mut other = None;
        let end = follower(context, &fetch, &plan).follow(|run: &Run| {
            transfer::repair(run, &plan, condition).inspect_err(|error| {
                if let RepairError::PartlyOther { similarity, .. } = error {
                    other = Some(*similarity);
                }
            })
        });
        (end, other)
    };
    let condition = if options.repair_most { RepairIf::AnyIsGood } else { RepairIf::MostIsGood };
    let end = match attempt(condition) {
        // The file has its own name while the user is asked.
        (Err(failure), Some(similarity)) if context.settings.can_ask && !options.repair_most => {
            agree(context, artifact, similarity, failure)?;
            attempt(RepairIf::AnyIsGood).0
        }
        (end, _) => end,
    };
    match end? {
        End::Done(RepairedFile { chunks, bytes, .. }) => tell(context, &chunks, bytes),
        End::Cancelled => Err(text::stopped_by_signal()),
    }
}

/// Asks the user for the word `yes` before data that is not the artifact's is written over, or the end of the file is cut off.
fn agree(context: &Context, artifact: &Path, found: Similarity, failure: Failure) -> Result<(), Failure> {
    let shown = escape::path(artifact);
    let Similarity { good, other, total, cut_bytes } = found;
    let cut = format!("{cut_bytes} bytes behind the artifact's end");
    let lost = match (found.is_most(), cut_bytes) {
        (true, 1..) => format!("It has {cut}, which are cut off if you go on.\n"),
        (_, cut_bytes) => format!(
            "It may be another file of yours: {other} chunks hold other data, which is lost if you go on{}.\n",
            if cut_bytes > 0 { format!(", with {cut}") } else { String::new() }
        ),
    };
    let question = Line::default()
        .with(Tone::Bad, "WARNING: ")
        .with(Tone::Strong, format!("{good} of {total} chunks in `{shown}` are of this artifact\n"))
        .with(Tone::Plain, lost)
        .with(Tone::Strong, "Write over it all the same?")
        .with(Tone::Plain, " Type yes to agree: ");
    let said = match context.printer.ask(question) {
        Ok(reply) if reply.as_deref().map(str::trim) == Some("yes") => return Ok(()),
        Ok(reply) => format!("the answer was `{}`, not `yes`", escape::shown(&reply.unwrap_or_default())),
        Err(error) => format!("the answer could not be read: {error}"),
    };
    Err(failure.because(said))
}

/// Reports which chunks were wrong.
fn tell(context: &Context, chunks: &[u32], bytes: u64) -> Result<(), Failure> {
    let shown: Vec<String> = chunks.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = match chunks.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = match chunks.len() {
        0 => "no chunk was wrong, only the length of the file".to_owned(),
        1 => format!("chunk {} was wrong and was fetched again ({})", shown.join(", "), show_size(bytes)),
        count => format!(
            "{count} chunks were wrong and were fetched again ({}): {}{more}",
            show_size(bytes),
            shown.join(", ")
        ),
    };
    context.printer.note(format!("repaired: {what}"));
    context.printer.event("repaired", json!({"chunks": chunks, "bytes": bytes}))
}
