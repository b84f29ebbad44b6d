//! `minimodel manifest show`: prints the content of a valid manifest.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::Serialize;

use crate::args::ManifestShowArgs;
use crate::failure::Failure;
use crate::settings::Context;
use crate::{input, publisher, show};

/// The answer under `--json`.
#[derive(Serialize)]
struct ManifestObject<'a> {
    swarm_id: String,
    signed: bool,
    fields: BTreeMap<&'a str, &'a str>,
}

/// Prints the manifest.
pub(crate) fn run(args: &ManifestShowArgs, context: &Context) -> Result<(), Failure> {
    let manifest = input::manifest(&args.manifest)?;
    let printer = &context.printer;
    if printer.is_json() {
        let swarm_id = HEXLOWER.encode(manifest.swarm_id());
        let (signed, fields) = (manifest.is_signed(), manifest.fields().collect());
        return printer.event("manifest", ManifestObject { swarm_id, signed, fields });
    }
    if args.canonical {
        // Printable ASCII and line feeds: a valid manifest holds nothing else.
        return printer.answer_bytes(manifest.canonical().as_bytes());
    }
    let mut lines = show::subject(&manifest, publisher::verdict_with_warning(context, &manifest).as_ref());
    lines.extend(show::details(&manifest));
    show::answer(printer, &lines)
}
