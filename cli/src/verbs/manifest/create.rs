//! `minimodel manifest create`: the manifest of a file that passes every check.

use std::io::Read as _;
use std::path::Path;

use data_encoding::HEXLOWER;
use minimodel::Identity;
use minimodel::checks::CheckRecords;
use minimodel::clock;
use minimodel_swarm::store::SourceFile;
use minimodel_verifier::artifact::{Format, read_header};
use minimodel_verifier::chunk::{self, Layout, Tree, auto_chunk_size};
use minimodel_verifier::digest::{parse_tagged, sha256};
use minimodel_verifier::manifest::{
    Acquisition, ArtifactClaims, ChunkClaims, ChunkListClaims, Evidence, FormatClaims, ManifestDraft,
    RequiresClaims, SourceClaims,
};
use minimodel_verifier::verify::{Inspected, inspect_artifact};
use minimodel_verifier::{Manifest, ManifestError};
use serde::Serialize;

use crate::args::{AcquisitionChoice, ChunkSizeArg, ManifestCreateArgs};
use crate::check;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::publisher;
use crate::settings::Context;
use crate::show;
use crate::text;

use super::propose::{self, Proposals};

/// The answer under `--json`.
#[derive(Serialize)]
struct CreatedObject {
    path: String,
    swarm_id: String,
    signed: bool,
    byte_count: u64,
    artifact_sha256: String,
    chunk_size: u64,
    chunk_count: u64,
    /// What the file said, by key of the manifest.
    from_file: Proposals,
}

/// Checks the file and writes its manifest, and the chunk list where asked.
pub(super) fn run(args: &ManifestCreateArgs, context: &Context) -> Result<(), Failure> {
    output::check_free("manifest", &args.out)?;
    if let Some(list) = &args.chunk_list_out {
        output::check_free("chunk list", list)?;
        if *list == args.out {
            let hint = "give --chunk-list-out another name than -o";
            return Err(Failure::new(Exit::Usage, "the manifest and the chunk list have one name", hint));
        }
    }
    let source = check::open("artifact", &args.artifact)?;
    let layout = layout(args, source.byte_count())?;
    let format = format(args, &source)?;
    let mut proposals = propose(args, format, &source)?;
    let mut draft = draft(args, format, layout, &mut proposals)?;
    // The command line is checked before minutes of hashing, with valid placeholders in the place of the file's numbers.
    draft.build().map_err(|error| refused(&error))?;
    let identity = match args.sign {
        true => Some(Identity::load_or_create(&context.home, &*context.printer)?),
        false => None,
    };

    let begun_ns = clock::now_ns();
    let inspected = inspect(context, (&args.artifact, format), &source, layout)?;
    let tree = claim(&mut draft, &inspected, &args.artifact)?;
    let list = chunk::list::render(tree.chunk_hashes());
    if let Some(claims) = &mut draft.chunks.list {
        claims.sha256 = sha256(list.as_bytes());
    }
    let manifest = build(&draft, identity.as_ref()).map_err(|error| refused(&error))?;

    // Both are written before either has its name.
    let mut output = Output::create("manifest", &args.out)?;
    output.fill(manifest.text().as_bytes())?;
    if let Some(path) = &args.chunk_list_out {
        output::write("chunk list", path, list.as_bytes())?;
    }
    output.commit()?;
    // The manifest states what this very check found.
    let records = CheckRecords::of(&context.home, &*context.printer);
    records.remember(&manifest, &source, begun_ns, tree.chunk_hashes());
    answer(args, context, &manifest, proposals)
}

/// The format of the file, by its first bytes.
fn format(args: &ManifestCreateArgs, source: &SourceFile) -> Result<Format, Failure> {
    let path = &args.artifact;
    let mut beginning = Vec::new();
    let read = source.reader().take(Format::BEGINNING_BYTES).read_to_end(&mut beginning);
    read.map_err(|error| Failure::reading("artifact", path, &error))?;
    let shown = escape::path(path);
    match Format::of_beginning(&beginning) {
        Some(format) if format.executes_on_load() && !args.include_executable => {
            let error =
                format!("`{shown}` is a {} file: it can run code when a program loads it", format.title());
            let hint = "share a GGUF or safetensors file of the model instead, or add --include-executable: each user must then accept it";
            Err(Failure::new(Exit::Verification, error, hint))
        }
        Some(format) => Ok(format),
        None => {
            let error = format!("`{shown}` has none of the formats that minimodel knows");
            let hint = "known are GGUF, safetensors, ONNX and .slm; see what it is: `minimodel inspect`";
            Err(Failure::new(Exit::Verification, error, hint)
                .because("its first bytes belong to none of them"))
        }
    }
}

/// What the file proposes for its manifest; nothing for a `.slm` file, whose manifest is of version 0.
fn propose(args: &ManifestCreateArgs, format: Format, source: &SourceFile) -> Result<Proposals, Failure> {
    if args.said.no_proposals || format == Format::Slm {
        return Ok(Proposals::new());
    }
    let header = read_header(format, source.byte_count(), &mut source.reader());
    let header = header.map_err(|error| Failure::reading("artifact", &args.artifact, &error))?;
    Ok(propose::of(&args.artifact, source.byte_count(), &header.unwrap_or_default().model))
}

/// The chunk layout of the file; a chunk size that no manifest can name is a usage error.
fn layout(args: &ManifestCreateArgs, byte_count: u64) -> Result<Layout, Failure> {
    let chunk_size = match args.chunk_size {
        ChunkSizeArg::Auto => auto_chunk_size(byte_count),
        ChunkSizeArg::Bytes(bytes) => bytes,
    };
    Layout::new(byte_count, chunk_size).map_err(|error| {
        let shown = escape::path(&args.artifact);
        let hint = "leave --chunk-size at `auto`, or give a power of two from 16KiB to 16MiB";
        Failure::new(Exit::Usage, format!("`{shown}` cannot be cut into chunks of {chunk_size} bytes"), hint)
            .because(error)
    })
}

/// The claims of the command line and those that are proposed, with placeholders for the claims that the file itself determines.
/// What is proposed and not taken is removed.
fn draft(
    args: &ManifestCreateArgs,
    format: Format,
    layout: Layout,
    proposals: &mut Proposals,
) -> Result<ManifestDraft, Failure> {
    if format == Format::Slm && args.model_card_route.is_none() {
        let error = "the manifest of a .slm file names a model card";
        return Err(Failure::new(Exit::Usage, error, "add --model-card-route ROUTE"));
    }
    let evidence = args.evidence.iter().map(|piece| {
        let sha256 = match &piece.sha256 {
            None => None,
            Some(text) => Some(parse_tagged(text).ok_or_else(|| {
                let hint = "write it as `sha256:` and 64 uppercase hex digits";
                let error = format!("`{}` is no SHA-256 of evidence", escape::shown(text));
                Failure::new(Exit::Usage, error, hint)
            })?),
        };
        Ok(Evidence { kind: piece.kind.clone(), route: piece.route.clone(), sha256 })
    });
    let given = [
        ("model.id", &args.said.model_id),
        ("model.version", &args.said.model_version),
        ("license.route", &args.said.license_route),
        ("license.spdx", &args.said.license_spdx),
    ];
    for (key, _) in given.iter().filter(|(_, given)| given.is_some()) {
        proposals.remove(key);
    }
    if args.said.license_spdx.is_some() {
        // The file's text of another license is none of this one.
        proposals.remove("license.route");
    }
    let value = |key: &str| {
        let given = given.iter().find(|(name, _)| *name == key).and_then(|(_, given)| given.as_ref());
        given.or_else(|| proposals.get(key)).cloned()
    };
    let license_spdx = value("license.spdx");
    let license_route =
        value("license.route").or_else(|| propose::text_of(args.said.license_spdx.as_deref()?));
    let list = args.chunk_list_route.clone().map(|route| ChunkListClaims { route, sha256: [0; 32] });
    Ok(ManifestDraft {
        created_utc: args.created_utc.clone().unwrap_or_else(clock::now_utc),
        model_id: value("model.id").ok_or_else(|| missing("the model's id", "--model-id ID"))?,
        model_version: value("model.version").unwrap_or_else(|| "1".to_owned()),
        publisher_id: args.publisher_id.clone(),
        model_card_route: args.model_card_route.clone(),
        license_route: license_route.ok_or_else(|| no_license(license_spdx.as_deref()))?,
        license_spdx,
        takedown_route: args.takedown_route.clone(),
        artifact: ArtifactClaims {
            byte_count: layout.byte_count(),
            sha256: [0; 32],
            acquisition: match args.acquisition {
                AcquisitionChoice::UserLocalFile => Acquisition::UserLocalFile,
                AcquisitionChoice::UserExternalDownload => Acquisition::UserExternalDownload,
                AcquisitionChoice::ConsentPeerTransfer => Acquisition::ConsentPeerTransfer,
            },
        },
        claims: FormatClaims::placeholder(format),
        chunks: ChunkClaims {
            size: layout.chunk_size().into(),
            count: layout.count().into(),
            merkle_root: [0; 32],
            list,
        },
        evidence: evidence.collect::<Result<_, Failure>>()?,
        source: SourceClaims {
            kind: value("source.kind"),
            id: value("source.id"),
            revision: value("source.revision"),
            sha256: None,
        },
        requires: RequiresClaims {
            ram_mb: value("requires.ram_mb").and_then(|number| number.parse().ok()),
            ..Default::default()
        },
        extra: std::collections::BTreeMap::new(),
    })
}

fn missing(what: &str, flag: &str) -> Failure {
    Failure::new(Exit::Usage, format!("{what} is neither given nor in the file"), format!("add {flag}"))
}

/// The failure for a license without the location of its text.
fn no_license(spdx: Option<&str>) -> Failure {
    let Some(spdx) = spdx else {
        return missing("the license", "--license-spdx MIT, or another license, or --license-route ROUTE");
    };
    let error = format!("the text of the license {} has no location that is known", escape::shown(spdx));
    Failure::new(
        Exit::Usage,
        error,
        "add --license-route with the page of its text, as https://host/path or /path",
    )
}

fn inspect(
    context: &Context,
    (path, format): (&Path, Format),
    source: &SourceFile,
    layout: Layout,
) -> Result<Inspected, Failure> {
    let interrupt = Interrupt::listen()?;
    let progress = Progress::start(context, "verify", source.byte_count(), false);
    let mut reader = interrupt.guard(progress.counter().count(source.reader()));
    let inspected = inspect_artifact(format, layout.byte_count(), layout.chunk_size().into(), &mut reader);
    drop(reader);
    drop(progress);
    interrupt.check()?;
    let inspected = inspected.map_err(|error| Failure::reading("artifact", path, &error))?;
    if inspected.report.ok() {
        return Ok(inspected);
    }
    let subject = format!("the file `{}`", escape::path(path));
    let hint = format!("see every check: `minimodel inspect {}`", escape::shell_word(path.as_os_str()));
    Err(text::of_report(Exit::Verification, &subject, &inspected.report, &hint))
}

/// Fills in the claims that the file determines; returns the tree over its chunks.
fn claim<'a>(draft: &mut ManifestDraft, inspected: &'a Inspected, path: &Path) -> Result<&'a Tree, Failure> {
    let (Some(claims), Some(tree)) = (inspected.claims.clone(), &inspected.tree) else {
        let subject = format!("the file `{}`", escape::path(path));
        return Err(text::of_report(
            Exit::Verification,
            &subject,
            &inspected.report,
            "see `minimodel inspect`",
        ));
    };
    draft.artifact.sha256 = inspected.sha256;
    draft.chunks.merkle_root = *tree.root();
    draft.claims = claims;
    Ok(tree)
}

fn build(draft: &ManifestDraft, identity: Option<&Identity>) -> Result<Manifest, ManifestError> {
    match identity {
        Some(identity) => draft.sign(&identity.key),
        None => draft.build(),
    }
}

/// The failure for a flag that breaks a rule of the manifest; the hint names the flag if the rule names its key.
fn refused(error: &ManifestError) -> Failure {
    let flags = [
        ("model.id", "--model-id"),
        ("model.version", "--model-version"),
        ("publisher.id", "--publisher-id"),
        ("license.route", "--license-route"),
        ("license.spdx", "--license-spdx"),
        ("model_card.route", "--model-card-route"),
        ("takedown.route", "--takedown-route"),
        ("chunk.list_route", "--chunk-list-route"),
        ("chunk.size", "--chunk-size"),
        ("manifest.created_utc", "--created-utc"),
    ];
    let key = error.key().unwrap_or_default();
    let flag = flags.iter().find(|(name, _)| *name == key).map(|(_, flag)| *flag);
    let flag = flag.unwrap_or(if key.starts_with("evidence.") { "--evidence" } else { "the command line" });
    Failure::new(Exit::Usage, "that would not be a valid manifest", format!("correct {flag}")).because(error)
}

fn answer(
    args: &ManifestCreateArgs,
    context: &Context,
    manifest: &Manifest,
    proposals: Proposals,
) -> Result<(), Failure> {
    let printer = &context.printer;
    if printer.is_json() {
        let fields = CreatedObject {
            path: args.out.to_string_lossy().into_owned(),
            swarm_id: HEXLOWER.encode(manifest.swarm_id()),
            signed: manifest.is_signed(),
            byte_count: manifest.byte_count(),
            artifact_sha256: minimodel_verifier::digest::tagged(manifest.artifact_sha256()),
            chunk_size: manifest.chunk_size(),
            chunk_count: manifest.chunk_count(),
            from_file: proposals,
        };
        return printer.event("manifest-created", fields);
    }
    printer.answer_path(&args.out)?;
    let verdict = publisher::verdict_with_warning(context, manifest);
    let mut lines = show::subject(manifest, verdict.as_ref());
    let proposed = |(key, value): (&&str, &String)| {
        ("from the file".to_owned(), format!("{key}={}", escape::shown(value)))
    };
    lines.extend(proposals.iter().map(proposed));
    printer.note(show::table(&lines));
    let word = |path: &Path| escape::shell_word(path.as_os_str());
    printer.note(format!("next: minimodel seed {} {}", word(&args.out), word(&args.artifact)));
    Ok(())
}
