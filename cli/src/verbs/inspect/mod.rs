//! `minimodel inspect`: recognizes a file or an offer and shows it. Judging it is left to the `verify-*` verbs, nothing
//! that could run is opened, and a secret is never shown.

mod artifact;
mod kind;
mod text;

use std::path::Path;

use crate::args::{InspectArgs, OfferArg};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input;
use crate::settings::Context;

use kind::Kind;

/// Runs the verb.
pub(crate) fn run(args: &InspectArgs, context: &Context) -> Result<(), Failure> {
    if let Some(Ok(argument @ (OfferArg::Text(_) | OfferArg::Link(_)))) = args.thing.to_str().map(str::parse)
    {
        return text::offer(context, &argument);
    }
    let path = Path::new(&args.thing);
    let input = input::open("file", path)?;
    match kind::of(&input.file).map_err(|error| Failure::reading("file", path, &error))? {
        Kind::Model(format) => artifact::show(context, path, &input, format),
        Kind::Manifest => text::manifest(context, path),
        Kind::Receipt => text::receipt(context, path),
        Kind::Offer => text::offer(context, &OfferArg::File(path.to_owned())),
        Kind::ChunkList => text::chunk_list(context, path),
        Kind::Request => text::request(context, path),
        Kind::Identity => text::identity(context, path),
        Kind::Record => text::record(context, path),
        Kind::Unknown => Err(Failure::new(
            Exit::Invalid,
            format!("`{}` is nothing that minimodel knows", escape::path(path)),
            "it reads offers, manifests, GGUF, safetensors, ONNX and .slm files, receipts, chunk lists, requests and .part.state records",
        )
        .because("its first bytes belong to none of them")),
    }
}
