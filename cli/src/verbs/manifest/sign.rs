//! `minimodel manifest sign`: signs a manifest with this user's key.

use data_encoding::HEXLOWER;
use minimodel::Identity;
use serde::Serialize;

use crate::args::ManifestSignArgs;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Context;
use crate::{input, output};

/// The answer under `--json`.
#[derive(Serialize)]
struct SignedObject {
    path: String,
    swarm_id: String,
    key_id: String,
}

/// Writes the signed manifest; the unsigned one stays as it is.
pub(crate) fn run(args: &ManifestSignArgs, context: &Context) -> Result<(), Failure> {
    output::check_free("manifest", &args.out)?;
    let manifest = input::manifest(&args.manifest)?;
    if manifest.is_signed() {
        let by = escape::shown(manifest.publisher_key_id());
        return Err(Failure::new(
            Exit::Usage,
            format!("the manifest `{}` is signed already", escape::path(&args.manifest)),
            "sign the unsigned one, or create it anew with `minimodel manifest create --sign`",
        )
        .because(format!("its signature is that of {by}")));
    }
    let identity = Identity::load_or_create(&context.home, &*context.printer)?;
    let signed = manifest.sign(&identity.key).map_err(|error| {
        let error_text = format!("the manifest `{}` cannot take a signature", escape::path(&args.manifest));
        Failure::new(Exit::Invalid, error_text, "make the manifest shorter").because(error)
    })?;
    output::write("manifest", &args.out, signed.text().as_bytes())?;
    let printer = &context.printer;
    let (before, after) = (HEXLOWER.encode(manifest.swarm_id()), HEXLOWER.encode(signed.swarm_id()));
    if printer.is_json() {
        let path = args.out.to_string_lossy().into_owned();
        return printer
            .event("manifest-signed", SignedObject { path, swarm_id: after, key_id: identity.key_id() });
    }
    printer.answer_path(&args.out)?;
    printer.note(format!("signed by {} ({})", identity.key_id(), escape::shown(manifest.publisher_id())));
    printer.note(format!("swarm {after}; it was {before} without the signature's key"));
    Ok(())
}
