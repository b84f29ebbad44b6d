//! A share from the check of its file to its end, for the verb and the companion alike: these differ in the control handles.

use std::path::Path;
use std::sync::Arc;

use minimodel::bans::BanRecorder;
use minimodel::checks::{CheckRecords, How, Miss, Recalled};
use minimodel::clock::{now_unix, now_utc, utc};
use minimodel_swarm::driver::{Node, SeedEnd, SeedSettings};
use minimodel_swarm::store::{FileSource, FileStat, SourceFile};
use minimodel_verifier::Manifest;
use minimodel_verifier::chunk::Tree;
use serde_json::json;

use super::control::TransferControl;
use super::{SOFTWARE, ending, endpoint, random_seed, target};
use crate::args::ShareOptions;
use crate::check::{self, CheckLabels};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::report;
use crate::settings::Context;
use crate::text;

/// A file to be shared.
#[derive(Debug)]
pub(crate) struct SharedFile<'a> {
    /// The manifest of the file.
    pub(crate) manifest: Arc<Manifest>,
    /// The path of the manifest, for hints.
    pub(crate) manifest_path: Option<&'a Path>,
    /// The path of the file.
    pub(crate) path: &'a Path,
    /// True to read the file even if it has not changed (`--recheck`).
    pub(crate) recheck: bool,
}

/// The file, ready to be served.
pub(crate) struct Ready {
    source: FileSource,
    /// Metadata of the file when it was opened.
    stat: FileStat,
}

/// Runs every check on the very file that will be served, unless a record shows that it passed them and has not changed since.
pub(crate) fn check(context: &Context, file: &SharedFile<'_>) -> Result<Ready, Failure> {
    let (path, manifest) = (file.path, file.manifest.as_ref());
    let layout = target::layout(manifest)?;
    let source = check::open("model file", path)?;
    let stat = *source.opened();
    let records = CheckRecords::of(&context.home, &*context.printer);
    let recalled = if file.recheck { Err(Miss::Asked) } else { records.recall(manifest, &layout, &source) };
    let source = match recalled {
        Ok(Recalled { tree, checked_unix, how }) => {
            let at = utc(checked_unix);
            context.printer.note(format!(
                "unchanged since its {how} on {at}: not read again (--recheck reads it); each chunk is hashed \
                 before it is sent for the first time"
            ));
            let fields = json!({"read": false, "checked_utc": at, "by": how.to_string(), "because": null});
            context.printer.event("checked", fields)?;
            FileSource::unread(source, layout, Arc::new(tree))
        }
        Err(miss) => {
            context.printer.detail(format!("the file is read: {}", escape::shown(&text::miss(&miss))));
            let tree = read(context, file, &source)?;
            let (at, by) = (now_utc(), How::Read.to_string());
            let fields = json!({"read": true, "checked_utc": at, "by": by, "because": text::miss(&miss)});
            context.printer.event("checked", fields)?;
            FileSource::new(source, layout, Arc::new(tree))
        }
    };
    source.map(|source| Ready { source, stat }).map_err(|error| ending::source_changed(path).because(error))
}

fn read(context: &Context, file: &SharedFile<'_>, source: &SourceFile) -> Result<Tree, Failure> {
    let (path, manifest) = (file.path, file.manifest.as_ref());
    let labels = CheckLabels { what: "model file", label: "check", has_events: true };
    let verified = check::full(context, manifest, path, source, &labels)?;
    let (Some(tree), true) = (verified.tree, verified.report.ok()) else {
        let subject = format!("`{}`", escape::path(path));
        let see = format!(
            "it is not served; see every check: `minimodel verify-artifact {} {}`",
            file.manifest_path
                .map_or_else(|| "MANIFEST".to_owned(), |path| escape::shell_word(path.as_os_str())),
            escape::shell_word(path.as_os_str())
        );
        return Err(report::failure(Exit::Verification, &subject, &verified.report, &see));
    };
    context.printer.note(format!("all {} checks passed", verified.report.checks().len()));
    Ok(tree)
}

/// Serves a checked file at `node` until it is stopped. Also returns the file's metadata when it was opened.
pub(crate) async fn serve(
    context: &Context,
    shared: &SharedFile<'_>,
    ready: Ready,
    node: Node,
    (options, publishes): (&ShareOptions, bool),
    control: TransferControl,
) -> Result<(SeedEnd, FileStat), Failure> {
    let manifest = &shared.manifest;
    let offer = endpoint::offer(context, &node, options, *manifest.swarm_id())?;
    (control.on_offer)(&node, &offer)?;
    let (keeping, bans) = BanRecorder::start(&context.home, context.printer.clone(), "seed", manifest, &[])?;
    let TransferControl { mut stop, controls, up, gate, reports, .. } = control;
    let settings = SeedSettings {
        manifest: manifest.clone(),
        controls,
        up,
        gate,
        bans,
        offer: Some(offer),
        publish: publishes,
        software: SOFTWARE.to_owned(),
        seed: random_seed()?,
        unix_now: now_unix(),
        reports,
    };
    let end = node.seed(settings, Arc::new(ready.source), &mut stop).await;
    keeping.end();
    Ok((end.map_err(|error| ending::driver(&error))?, ready.stat))
}
