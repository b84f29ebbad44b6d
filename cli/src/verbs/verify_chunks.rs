//! `minimodel verify-chunks`: checks which chunks of a partial or whole file are the artifact's, without any network.

use std::path::{Path, PathBuf};

use minimodel::input::Input;
use minimodel_swarm::store::inspect::RecordView;
use minimodel_verifier::chunk::list;
use minimodel_verifier::verify::verify_chunks;
use minimodel_verifier::{Digest, Manifest, Report};

use crate::args::VerifyChunksArgs;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::publisher;
use crate::report;
use crate::settings::Context;
use crate::text;

/// Longest chunk list that is read: the greatest number of chunks, 72 bytes a line.
const MAX_LIST_BYTES: usize = 72 << 24;

/// Prints the report; exit 10 when the manifest or the chunk list is not valid, 6 when the manifest is not signed by the
/// known or demanded key (no chunk is read then), 4 when a chunk is wrong.
pub(crate) fn run(args: &VerifyChunksArgs, context: &Context) -> Result<(), Failure> {
    let printer = &context.printer;
    let manifest = report::manifest_or_answer(printer, &args.manifest)?;
    let verdict = report::accept_key_or_answer(context, &manifest, &args.publisher)?;
    let partial = input::open("partial file", &args.partial)?;
    let mut checks = publisher::check(&verdict, &args.publisher);
    checks.extend(match (&args.chunk_list, record_beside(&args.partial)) {
        (Some(path), _) => by_list(&manifest, &args.partial, &partial, Some(&chunk_list(path)?))?,
        (None, Some(path)) => {
            by_record(context, &manifest, (&args.partial, &partial), &input::record(&path)?)?
        }
        (None, None) if partial.byte_count < manifest.byte_count() => {
            return Err(nothing_to_judge_by(&args.partial));
        }
        (None, None) => by_list(&manifest, &args.partial, &partial, None)?,
    });
    report::answer(printer, Some(manifest.swarm_id()), &checks)?;
    if checks.ok() {
        return Ok(());
    }
    let subject = format!("the partial file `{}`", escape::path(&args.partial));
    let hint = "run the same fetch again: chunks that are right are kept, the others are fetched";
    Err(text::of_report(Exit::Verification, &subject, &checks, hint).answered())
}

/// The record that `fetch` keeps beside a partial file.
fn record_beside(partial: &Path) -> Option<PathBuf> {
    let mut name = partial.as_os_str().to_owned();
    name.push(".state");
    let path = PathBuf::from(name);
    path.symlink_metadata().is_ok().then_some(path)
}

fn nothing_to_judge_by(partial: &Path) -> Failure {
    let shown = escape::path(partial);
    let hint = "name its chunk list: --chunk-list FILE (the publisher makes it: `minimodel manifest create --chunk-list-out`)";
    Failure::new(Exit::NotFound, format!("nothing tells which chunks of `{shown}` are right"), hint)
        .because("it is not the whole file, and no record (`.state`) is beside it")
}

fn chunk_list(path: &Path) -> Result<Vec<Digest>, Failure> {
    let bytes = input::read_small("chunk list", path, MAX_LIST_BYTES)?;
    list::parse(&bytes).map_err(|error| {
        let hint = "each line is `sha256:`, 64 uppercase hex digits, and a line feed";
        Failure::new(Exit::Invalid, format!("the chunk list `{}` is not valid", escape::path(path)), hint)
            .because(error)
    })
}

fn by_list(
    manifest: &Manifest,
    path: &Path,
    partial: &Input,
    list: Option<&[Digest]>,
) -> Result<Report, Failure> {
    verify_chunks(manifest, list, &partial.file, partial.byte_count)
        .map(|audit| audit.report)
        .map_err(|error| Failure::reading("partial file", path, &error))
}

fn by_record(
    context: &Context,
    manifest: &Manifest,
    (path, partial): (&Path, &Input),
    record: &RecordView,
) -> Result<Report, Failure> {
    let interrupt = Interrupt::listen()?;
    let recorded = record.chunks.len() as u64 * u64::from(record.sizes.chunk_size);
    let progress = Progress::start(context, "verify", recorded.min(record.sizes.byte_count), false);
    let counter = progress.counter();
    let seen = |bytes| {
        counter.add(bytes);
        interrupt.check().map_err(|failure| std::io::Error::other(failure.error))
    };
    let checks = record.check(manifest, &partial.file, partial.byte_count, seen);
    drop(progress);
    interrupt.check()?;
    checks.map_err(|error| Failure::reading("partial file", path, &error))
}
