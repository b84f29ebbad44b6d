//! `minimodel library`: the models of this user, their versions, and where their files are.

mod name;
mod signed;
mod tell;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use minimodel_companion::Service;
use minimodel_companion::model::{Activated, Activation, Entry, NewEntry, Publisher};
use minimodel_verifier::Manifest;
use serde_json::json;

use crate::args::{
    LibraryAction, LibraryAddArgs, LibraryArgs, LibraryFitsArgs, LibraryPruneArgs, LibraryRemoveArgs,
    LibrarySignedArgs,
};
use crate::companion::service;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Line, Tone};
use crate::settings::Context;
use crate::size::show_exact_size;
use crate::text::of_problem as failure;
use crate::{check, escape, input, publisher, show};

/// Text of a refusal of a publisher's key: nothing has happened so far.
const UNCHANGED: &str = "the library was left as it is";

/// Runs the verb.
pub(crate) fn run(args: &LibraryArgs, context: &Context) -> Result<(), Failure> {
    let service = service(context)?;
    let service = service.as_ref();
    match &args.action {
        LibraryAction::List(_) => list(service, context),
        LibraryAction::Show(args) => show(&entry(service, &args.name)?, service, context),
        LibraryAction::Add(args) => add(args, service, context),
        LibraryAction::Verify(args) => verify(args, service, context),
        LibraryAction::Remove(args) => remove(args, service, context),
        LibraryAction::Pin(args) => pin(&args.name, true, service, context),
        LibraryAction::Unpin(args) => pin(&args.name, false, service, context),
        LibraryAction::Prune(args) => prune(args, service, context),
        LibraryAction::Path(args) => path(&args.name, service, context),
        LibraryAction::Activate(args) => activate(args, service, context),
        LibraryAction::Rollback(args) => {
            let back = service.rollback(&args.model_id).map_err(failure)?;
            signed::warn(&back.entry, service, context);
            activated(&back, context)
        }
        LibraryAction::Fits(args) => fits(args, service, context),
    }
}

fn entry(service: &dyn Service, name: &str) -> Result<Entry, Failure> {
    let entries = service.library().map_err(failure)?;
    name::resolve(&entries, name).cloned()
}

fn list(service: &dyn Service, context: &Context) -> Result<(), Failure> {
    let entries = service.library().map_err(failure)?;
    if context.printer.is_json() {
        return entries.iter().try_for_each(|entry| context.printer.event("entry", entry));
    }
    if entries.is_empty() {
        context.printer.note("the library is empty; add a model: `minimodel library add MANIFEST FILE.slm`");
        return Ok(());
    }
    context.printer.answer(tell::table(&entries))
}

fn show(entry: &Entry, service: &dyn Service, context: &Context) -> Result<(), Failure> {
    if context.printer.is_json() {
        return context.printer.event("entry", entry);
    }
    let manifest = manifest_of(entry, service)?;
    show::answer(&context.printer, &tell::lines(entry, &manifest))
}

/// Reads the manifest of an entry and checks it against the entry, because the companion may be another process.
fn manifest_of(entry: &Entry, service: &dyn Service) -> Result<Manifest, Failure> {
    let text = service.manifest(entry.id).map_err(failure)?;
    let broken = |cause: String| {
        let error = format!("the manifest of {} is not what it was", tell::name(entry));
        let hint =
            format!("remove the entry and add the manifest again: `minimodel library remove {}`", entry.id);
        Failure::new(Exit::Invalid, error, hint).because(cause)
    };
    let manifest = Manifest::parse(text.as_bytes()).map_err(|error| broken(error.to_string()))?;
    let found = data_encoding::HEXLOWER.encode(manifest.swarm_id());
    if found != entry.swarm_id {
        return Err(broken(format!("its swarm id is {found}")));
    }
    Ok(manifest)
}

fn add(args: &LibraryAddArgs, service: &dyn Service, context: &Context) -> Result<(), Failure> {
    let manifest = input::manifest(&args.manifest)?;
    // The companion judges the key too; here the user can be asked, and a large file is not read in vain.
    let verdict = publisher::signer_verdict(context, &manifest)?;
    let accepted = publisher::confirm_key(context, &verdict, &args.publisher, UNCHANGED)?;
    let path = args.artifact.as_deref().map(|path| {
        // Opened here first because its errors are clearer; the companion opens it again by this path.
        let source = check::open("model file", path)?;
        Ok::<_, Failure>(source.path().to_owned())
    });
    let accept_publisher_key = signed::needed(&verdict, accepted);
    let new = NewEntry { manifest: manifest.text(), path: path.transpose()?, accept_publisher_key };
    let added = service.add(new).map_err(failure)?;
    publisher::tell_kept(context, &verdict);
    let what =
        if added.path.is_some() { "checked and in the library" } else { "in the library, without a file" };
    tell(&added, what, context)?;
    if !added.fits.fits && !context.printer.is_json() {
        context.printer.warning(&format!("{} does not fit this machine", tell::name(&added)));
    }
    Ok(())
}

/// Verifies the bytes first: an entry that does not match its manifest is reported as that, whichever key signed it.
fn verify(args: &LibrarySignedArgs, service: &dyn Service, context: &Context) -> Result<(), Failure> {
    let verified = service.verify(entry(service, &args.name)?.id).map_err(failure)?;
    tell(&verified, "checked in full", context)?;
    let verdict = signed::signer_verdict(&verified, service, context)?;
    publisher::refuse(&verdict, &args.publisher)?;
    signed::warn(&verified, service, context);
    Ok(())
}

fn pin(name: &str, pinned: bool, service: &dyn Service, context: &Context) -> Result<(), Failure> {
    let entry = service.pin(entry(service, name)?.id, pinned).map_err(failure)?;
    signed::warn(&entry, service, context);
    tell(&entry, if pinned { "kept from eviction" } else { "not kept from eviction any more" }, context)
}

fn activate(args: &LibrarySignedArgs, service: &dyn Service, context: &Context) -> Result<(), Failure> {
    let entry = entry(service, &args.name)?;
    let verdict = signed::signer_verdict(&entry, service, context)?;
    let accepted = publisher::confirm_key(context, &verdict, &args.publisher, UNCHANGED)?;
    let activation = Activation { accept_publisher_key: signed::needed(&verdict, accepted) };
    let led = service.activate(entry.id, activation).map_err(failure)?;
    publisher::tell_kept(context, &verdict);
    activated(&led, context)
}

/// Prints the answer of an action that changed an entry: the entry's name and number, what happened, and its state.
fn tell(entry: &Entry, what: &str, context: &Context) -> Result<(), Failure> {
    if context.printer.is_json() {
        return context.printer.event("entry", entry);
    }
    context.printer.answer(
        Line::default()
            .with(Tone::Strong, tell::name(entry))
            .with(Tone::Plain, format!(" (number {}): {what}, {}", entry.id, tell::state(entry.state))),
    )
}

fn remove(args: &LibraryRemoveArgs, service: &dyn Service, context: &Context) -> Result<(), Failure> {
    let entry = entry(service, &args.name)?;
    let name = tell::name(&entry);
    let file = entry.path.as_deref().map(|path| escape::path(Path::new(path)).to_string());
    if let (true, Some(file)) = (entry.cached, &file) {
        agree(args, &name, &format!("{file}, {}", tell::size(&entry)), context)?;
    }
    service.remove(entry.id).map_err(failure)?;
    context.printer.note(match (&file, entry.cached) {
        (Some(file), true) => format!("{name} is forgotten, and {file} is deleted"),
        (Some(file), false) => format!("{name} is forgotten; your file stays: {file}"),
        (None, _) => format!("{name} is forgotten"),
    });
    let deleted = entry.path.as_deref().filter(|_| entry.cached);
    let fields = json!({
        "id": entry.id, "model_id": entry.model_id, "model_version": entry.model_version,
        "swarm_id": entry.swarm_id, "deleted": deleted,
    });
    context.printer.event("entry-removed", fields)
}

/// Requires the user's consent to the deletion of this very file, by flag or by answer.
fn agree(args: &LibraryRemoveArgs, name: &str, file: &str, context: &Context) -> Result<(), Failure> {
    if args.delete_cached {
        return Ok(());
    }
    let refused = |cause: &str| {
        let hint = format!(
            "agree with the flag: `minimodel library remove {} --delete-cached`",
            escape::shell_word(OsStr::new(&args.name))
        );
        Failure::new(Exit::Consent, format!("{name} was not removed"), hint).because(cause)
    };
    if !context.settings.can_ask {
        return Err(refused(
            "the library keeps its file, which goes with it, and there is no terminal to ask on",
        ));
    }
    let question = Line::default()
        .with(Tone::Plain, format!("the library keeps {file}\n"))
        .with(Tone::Strong, "Delete this file? ")
        .with(Tone::Plain, "[yes/no] ");
    let reply = context.printer.ask(question).map_err(|error| refused(&error.to_string()))?;
    match reply.as_deref() {
        Some("yes") => Ok(()),
        _ => Err(refused("only the word `yes` agrees")),
    }
}

fn prune(args: &LibraryPruneArgs, service: &dyn Service, context: &Context) -> Result<(), Failure> {
    let keep = match args.keep {
        Some(keep) => keep,
        None => service.limits().map_err(failure)?.cache_bytes.ok_or_else(|| {
            let hint = "say how much may stay, as in `minimodel library prune --keep 10GiB`; or set a limit, see \
                        `minimodel limits`";
            Failure::new(Exit::Usage, "there is no limit on the cache to prune to", hint)
        })?,
    };
    let before = service.library().map_err(failure)?;
    let pruned = service.prune(keep).map_err(failure)?;
    if context.printer.is_json() {
        return context.printer.event("pruned", pruned);
    }
    let names: BTreeMap<u64, String> = before.iter().map(|entry| (entry.id, tell::name(entry))).collect();
    for id in &pruned.entries {
        let name = names.get(id).cloned().unwrap_or_else(|| format!("entry {id}"));
        context.printer.answer(format!("{name}: evicted"))?;
    }
    let files = if pruned.entries.len() == 1 { "1 file" } else { &format!("{} files", pruned.entries.len()) };
    context.printer.note(format!("{files} evicted, {}", show_exact_size(pruned.bytes)));
    Ok(())
}

fn path(name: &str, service: &dyn Service, context: &Context) -> Result<(), Failure> {
    let entries = service.library().map_err(failure)?;
    let entry = name::resolve_active(&entries, name)?;
    let Some(path) = &entry.path else {
        let error = format!("no file of {} is here", tell::name(entry));
        let hint = "fetch it, or add a file that you have: `minimodel library add MANIFEST FILE.slm`";
        return Err(Failure::new(Exit::NotFound, error, hint));
    };
    signed::warn(entry, service, context);
    if context.printer.is_json() {
        let publisher = entry.publisher.as_ref().map(Publisher::from);
        let fields = json!({"id": entry.id, "path": path, "publisher": publisher});
        return context.printer.event("library-path", fields);
    }
    context.printer.answer_path(Path::new(path))
}

fn activated(activated: &Activated, context: &Context) -> Result<(), Failure> {
    if context.printer.is_json() {
        return context.printer.event("activated", activated);
    }
    context.printer.note(format!("{} is active", tell::name(&activated.entry)));
    context.printer.answer_path(Path::new(&activated.link))
}

fn fits(args: &LibraryFitsArgs, service: &dyn Service, context: &Context) -> Result<(), Failure> {
    let path = Path::new(&args.thing);
    // A path if it has several components, exists here, or ends in `.minimodel`; a model id has no slash.
    let is_path =
        path.components().count() != 1 || path.exists() || path.extension() == Some(OsStr::new("minimodel"));
    let text = match args.thing.to_str().filter(|_| !is_path) {
        Some(name) => service.manifest(entry(service, name)?.id).map_err(failure)?,
        None => input::manifest(path)?.text(),
    };
    let fits = service.fits(&text).map_err(failure)?;
    if context.printer.is_json() {
        return context.printer.event("fits", fits);
    }
    show::answer(&context.printer, &tell::fits(&fits))
}
