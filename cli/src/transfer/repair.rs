//! `verify-artifact --repair`: fetches the wrong chunks of a file again, and only those.
//!
//! The file becomes a partial file under its own name with `.part`, without a record, so every chunk is checked against
//! leaf hashes that lead to the manifest's root. If most chunks are not good, or data follows the artifact's end, it may
//! be another file, and nothing is written unless the user agrees. Otherwise the wrong chunks are fetched as in any
//! transfer, and the whole file is checked before it gets its name back. A repair that has to stop gives the name back;
//! a repair that was killed goes on when the same command is run again.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use minimodel::Identity;
use minimodel::clock;
use minimodel_swarm::store::{
    Disk as _, DiskFile as _, Open, OpenError, Part, RealDisk, RealFile, RepairIf, Similarity, StoreError,
    put_orphan_record_aside,
};
use minimodel_verifier::Manifest;
use serde_json::json;

use super::asking::ask;
use super::fetching::{ASKED_BESIDES, Importing, Plan, open_part_in_place, transfer_here};
use super::target::Target;
use super::{block_on, ending, offer_checks};
use crate::args::{PublisherOptions, RepairOptions, ShareOptions, TransferOptions};
use crate::consent::NOTHING_DONE;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Line, Tone};
use crate::settings::Context;
use crate::size::show_size;

/// Number of chunks that people are shown; the event lists all of them.
const SHOWN: usize = 12;
/// Limit on the receipts of repairs of one file.
const MAX_RECEIPTS: u32 = 1_000;

/// True if an earlier repair of the file was killed: there is no file of its name, but a partial file.
pub(crate) fn is_under_way(artifact: &Path) -> bool {
    let mut part = artifact.as_os_str().to_owned();
    part.push(".part");
    artifact.symlink_metadata().is_err() && Path::new(&part).symlink_metadata().is_ok()
}

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
    let sources = options.peer.iter().map(offer_checks::read).collect::<Result<Vec<_>, _>>()?;
    for offer in &sources {
        offer_checks::check_swarm(offer, &manifest)?;
    }
    let (folder, stem) = place(artifact)?;
    let receipt = receipt_path(folder, &stem, options)?;
    let share = ShareOptions { listen: options.listen, ..ShareOptions::default() };
    let how = TransferOptions {
        down: options.down,
        stall_timeout: options.stall_timeout,
        publisher: *publisher,
        ..TransferOptions::default()
    };
    let plan = Plan {
        verb: "verify-artifact",
        manifest: manifest.clone(),
        sources,
        out: folder.to_owned(),
        receipt: Some(receipt.clone()),
        share: &share,
        transfer: &how,
        consent: options.consent.as_ref(),
        asked_besides: ASKED_BESIDES,
        done: NOTHING_DONE,
        is_repair: true,
    };
    let started_utc = clock::now_utc();
    let target = Target::named(folder, stem, &manifest, Some(&receipt))?;
    target.check_receipt_name()?;
    target.check_receipt_place()?;
    let (granted, publisher) = ask(context, &plan, &target)?;
    let consents = granted.for_receipt();
    let importing = Importing { target, publisher, consents, started_utc };
    let identity = Identity::load_or_create(&context.home, &*context.printer)?;
    if options.repair_most {
        return attempt(context, &plan, &importing, &identity, RepairIf::AnyIsGood).map_err(Stop::failure);
    }
    match attempt(context, &plan, &importing, &identity, RepairIf::MostIsGood) {
        // The file has its own name while the user is asked.
        Err(Stop::Unlike(failure, similarity)) if context.settings.can_ask => {
            agree(context, artifact, similarity, failure)?;
            attempt(context, &plan, &importing, &identity, RepairIf::AnyIsGood).map_err(Stop::failure)
        }
        end => end.map_err(Stop::failure),
    }
}

/// Why a repair failed.
#[derive(Debug)]
enum Stop {
    /// Most of the file is other data, or data follows the artifact's end. Nothing was written; the failure says so, and
    /// how the user can go on all the same.
    Unlike(Failure, Similarity),
    /// Anything else.
    Failed(Failure),
}

impl Stop {
    fn failure(self) -> Failure {
        match self {
            Self::Unlike(failure, _) | Self::Failed(failure) => failure,
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Renames the file to a partial file, fetches its wrong chunks, and renames it back.
fn attempt(
    context: &Context,
    plan: &Plan<'_>,
    importing: &Importing,
    identity: &Identity,
    condition: RepairIf,
) -> Result<(), Stop> {
    let target = &importing.target;
    let renamed = set_aside(context, target)?;
    let is_renamed = renamed.is_some();
    // Disk space is not checked: chunks are written over data that is there.
    let opened = open_part_in_place(target, condition);
    let (part, mut resumed) = opened.inspect_err(|_| {
        if let Some(file) = &renamed {
            tell_name(context, target, rename_back(target, file));
        }
    })?;
    // A repair that was killed may have recorded only some of the good chunks; leaf hashes find the rest.
    resumed.data_without_record = part.stat().is_ok_and(|stat| stat.byte_count > 0);
    let end = block_on(transfer_here(context, plan, importing, identity, part.clone(), &resumed));
    let Err(failure) = end else { return Ok(tell(context, &part, &resumed.have)?) };
    // A file that was a partial file before this run stays one.
    let (shown, given_back) =
        if is_renamed { (target.artifact.clone(), part.give_back()) } else { (part.path(), Ok(())) };
    tell_name(context, target, given_back.map_err(|error| error.to_string()));
    Err(match part.unlike() {
        Some(similarity) if similarity.good > 0 => {
            Stop::Unlike(ending::partly_other(&shown, similarity), similarity)
        }
        Some(_) => Stop::Failed(ending::nothing_good(&shown)),
        None => Stop::Failed(failure),
    })
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

/// Warns if the file did not get its name back; the failure that ended the repair stays the cause.
fn tell_name(context: &Context, target: &Target, given_back: Result<(), String>) {
    if let Err(error) = given_back {
        let part = target.folder.join(target.part_name());
        let cause = escape::harmless(&error);
        context.printer.warning(&format!("the file is still called `{}`: {cause}", escape::path(&part)));
    }
}

/// Folder and stem of a file to be repaired in place.
fn place(artifact: &Path) -> Result<(&Path, String), Failure> {
    let stem = artifact.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".slm"));
    let folder =
        artifact.parent().map(|folder| if folder == Path::new("") { Path::new(".") } else { folder });
    match (folder, stem.filter(|stem| !stem.is_empty())) {
        (Some(folder), Some(stem)) => Ok((folder, stem.to_owned())),
        _ => Err(Failure::new(
            Exit::Usage,
            format!("`{}` cannot be repaired in its place", escape::path(artifact)),
            "give it a name that ends in `.slm`, or fetch the model again: `minimodel fetch`",
        )),
    }
}

/// `STEM.slm.repair.receipt`, or the next free number; the receipt of the import is left alone.
fn receipt_path(folder: &Path, stem: &str, options: &RepairOptions) -> Result<std::path::PathBuf, Failure> {
    if let Some(path) = &options.receipt {
        return Ok(path.clone());
    }
    let first = folder.join(format!("{stem}.slm.repair.receipt"));
    let numbered = (2..MAX_RECEIPTS).map(|number| folder.join(format!("{stem}.slm.repair.receipt.{number}")));
    let mut all = std::iter::once(first.clone()).chain(numbered);
    all.find(|path| path.symlink_metadata().is_err()).ok_or_else(|| {
        let hint = "name another place for this one with --receipt FILE";
        Failure::new(Exit::Io, format!("there are too many receipts at `{}`", escape::path(&first)), hint)
    })
}

/// Renames the file to a partial file, replacing nothing, and returns it; `None` if there is no file. A symbolic link or a file with a
/// second name is refused, because writing to it would change something that the user did not name; so is a file that
/// cannot be written. A record left beside the file is of bytes that are elsewhere now, and is moved out of the way.
fn set_aside(context: &Context, target: &Target) -> Result<Option<RealFile>, Failure> {
    let disk = RealDisk::open(&target.folder).map_err(|error| ending::store(&error))?;
    let (name, part) = (format!("{}.slm", target.stem), target.part_name());
    let refused = |found| ending::store(&StoreError::Refused { path: disk.path(&name), found });
    let file = match disk.open(&name, Open::Existing) {
        Ok(file) => file,
        Err(OpenError::Refused(found)) => return Err(refused(found)),
        Err(OpenError::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(OpenError::Io(error)) => return Err(Failure::writing("file", &target.artifact, &error)),
    };
    let old_record = put_orphan_record_aside(&disk, &target.stem, &target.spec);
    if let Some(path) = old_record.map_err(|error| ending::store(&error))? {
        context.printer.warning(&format!(
            "the record of an earlier download stood beside `{}`; it is now called `{}`",
            escape::path(&target.artifact),
            escape::path(&path)
        ));
    }
    disk.rename_noreplace(&name, &part).map_err(|error| {
        let hint = "nothing was changed; if it is an unfinished download that nobody needs, move it away and type this again";
        let error = match error.kind() {
            ErrorKind::AlreadyExists => "it is there already".to_owned(),
            _ => error.to_string(),
        };
        let what = format!("cannot repair in `{}`", escape::path(&disk.path(&part)));
        Failure::new(Exit::Io, what, hint).because(error)
    })?;
    Ok(Some(file))
}

/// Undoes [`set_aside`]. Another process may have put `file` aside meanwhile, and its own partial file in that place: then
/// nothing is renamed.
fn rename_back(target: &Target, file: &RealFile) -> Result<(), String> {
    let disk = RealDisk::open(&target.folder).map_err(|error| error.to_string())?;
    let both = file.stat().and_then(|ours| Ok((ours, disk.stat(&target.part_name())?)));
    match both.map_err(|error| error.to_string())? {
        (ours, Some(named)) if named.same_file(&ours) => {}
        _ => return Err(format!("another process moved it: see `{}.slm.part.found`", target.stem)),
    }
    let renamed = disk.rename_noreplace(&target.part_name(), &format!("{}.slm", target.stem));
    renamed.and_then(|()| disk.sync_dir()).map_err(|error| error.to_string())
}

/// Reports which chunks were wrong, but those in `before`, which is sorted: they came in an earlier run.
fn tell(context: &Context, part: &Part<RealDisk>, before: &[u32]) -> Result<(), Failure> {
    let mut chunks = part.supplied_by_peers();
    chunks.retain(|index| before.binary_search(index).is_err());
    let bytes: u64 = chunks.iter().map(|&index| u64::from(part.spec().layout.chunk_len(index))).sum();
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
