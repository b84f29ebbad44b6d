//! The summary of a manifest that the user sees before anything moves: publisher, license, evidence.

use std::path::Path;

use data_encoding::HEXLOWER;
use minimodel::publishers::SignerVerdict;
use minimodel_verifier::digest::tagged;
use minimodel_verifier::manifest::FormatClaims;
use minimodel_verifier::{Manifest, gguf, onnx};

use crate::escape;
use crate::failure::Failure;
use crate::printer::{Line, Printer, Tone};
use crate::publisher;
use crate::size::{show_exact_size, show_size};

/// A model in one line: `tinylm 1.0, 9.3 MiB, by alice (key first seen now)`.
pub(crate) fn model_line(id: &str, version: &str, bytes: u64, verdict: Option<&SignerVerdict>) -> String {
    let shown = |text: &str| escape::shown(text).to_string();
    let by = verdict.map(|verdict| {
        format!(", by {} ({})", shown(&verdict.publisher), publisher::standing(&verdict.status))
    });
    format!("{} {}, {}{}", shown(id), shown(version), show_size(bytes), by.unwrap_or_default())
}

/// A folder for a fetched file, as a question names it.
pub(crate) fn folder(path: &Path) -> String {
    match std::env::current_dir() {
        Ok(current) if path == Path::new(".") => {
            format!("the current folder, `{}`", escape::path(&current))
        }
        _ => format!("`{}`", escape::path(path)),
    }
}

/// Number of pieces of evidence that are listed one by one; the rest is counted.
const EVIDENCE_SHOWN: usize = 8;

/// Label and value, one per line, every value escaped. `verdict`: the verdict on the manifest's key, if there is one.
/// `manifest show`, the consent questions, `seed` and `fetch` show the same lines; keys and hashes come last.
pub(crate) fn subject(manifest: &Manifest, verdict: Option<&SignerVerdict>) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut say = |label: &str, value: String| lines.push((label.to_owned(), value));
    let shown = |text: &str| escape::shown(text).to_string();
    say("model", format!("{} {}", shown(manifest.model_id()), shown(manifest.model_version())));
    say("size", show_exact_size(manifest.byte_count()));
    say("format", format(manifest));
    say("publisher", shown(manifest.publisher_id()));
    say(
        "license",
        match manifest.license_spdx() {
            Some(spdx) => format!("{} ({})", shown(manifest.license_route()), shown(spdx)),
            None => shown(manifest.license_route()),
        },
    );
    say("model card", manifest.model_card_route().map_or_else(|| "not provided".to_owned(), shown));
    let evidence = manifest.evidence();
    if evidence.is_empty() {
        say("evidence", "not claimed".to_owned());
    }
    for piece in evidence.iter().take(EVIDENCE_SHOWN) {
        let sum = if piece.sha256.is_some() { "" } else { ", without a SHA-256" };
        say("evidence", format!("{}: {}{sum}", shown(&piece.kind), shown(&piece.route)));
    }
    if let Some(more @ 1..) = evidence.len().checked_sub(EVIDENCE_SHOWN) {
        say("evidence", format!("and {more} more, see `minimodel manifest show`"));
    }
    say("takedown", manifest.takedown_route().map_or_else(|| "no route given".to_owned(), shown));
    say("signature", verdict.map_or_else(|| signature(manifest), publisher::words));
    say("swarm", HEXLOWER.encode(manifest.swarm_id()));
    lines
}

/// `GGUF: qwen2, 7.6 billion parameters`.
fn format(manifest: &Manifest) -> String {
    let inside = inside(manifest.claims());
    let value = |label| inside.iter().find(|(name, _)| *name == label).map(|(_, value)| value.as_str());
    let parameters =
        value("parameters").and_then(|text| text.split(',').next()?.parse().ok()).map(parameters);
    let words: Vec<String> = value("architecture").map(str::to_owned).into_iter().chain(parameters).collect();
    let title = manifest.format().title();
    if manifest.format().executes_on_load() {
        return format!("{title}: it can run code when a program loads it");
    }
    if words.is_empty() { title.to_owned() } else { format!("{title}: {}", words.join(", ")) }
}

/// A number of parameters in words: two digits that count.
fn parameters(count: u64) -> String {
    let units = [(1_000_000_000_000, "trillion"), (1_000_000_000, "billion"), (1_000_000, "million")];
    let Some((unit, name)) = units.into_iter().find(|(unit, _)| count >= *unit) else {
        return format!("{count} parameters");
    };
    let tenths = count / (unit / 10);
    let number =
        if tenths < 100 { format!("{}.{}", tenths / 10, tenths % 10) } else { (tenths / 10).to_string() };
    format!("{number} {name} parameters")
}

/// Lines that `manifest show` and `inspect` add to [`subject`].
pub(crate) fn details(manifest: &Manifest) -> Vec<(String, String)> {
    let shown = |text: &str| escape::shown(text).to_string();
    let mut lines = vec![
        ("created", shown(manifest.created_utc())),
        ("acquisition", shown(manifest.acquisition())),
        ("artifact", tagged(manifest.artifact_sha256())),
        ("chunks", format!("{} of {} bytes", manifest.chunk_count(), manifest.chunk_size())),
        ("chunk root", tagged(manifest.merkle_root())),
    ];
    lines.extend(inside(manifest.claims()));
    if let (Some(route), Some(sum)) = (manifest.chunk_list_route(), manifest.chunk_list_sha256()) {
        lines.push(("chunk list", format!("{}, {}", shown(route), tagged(sum))));
    }
    let owned = |(label, value): (&str, String)| (label.to_owned(), value);
    let mut lines: Vec<_> = lines.into_iter().map(owned).collect();
    let extra = |key: &str| ["x.", "source.", "requires."].iter().any(|prefix| key.starts_with(prefix));
    lines.extend(
        manifest.fields().filter(|(key, _)| extra(key)).map(|(key, value)| (shown(key), shown(value))),
    );
    lines
}

/// What the manifest claims about the inside of the file. The spelling of these values is checked.
fn inside(claims: &FormatClaims) -> Vec<(&'static str, String)> {
    match claims {
        FormatClaims::Slm(slm) => vec![
            ("parameters", format!("{}, stored as {}", slm.parameter_count, slm.quantization)),
            (
                "shape",
                format!(
                    "{} layers, hidden {}, FFN {}, {} heads, {} KV heads, vocabulary {}, context {}",
                    slm.layer_count,
                    slm.hidden_size,
                    slm.ffn_size,
                    slm.head_count,
                    slm.kv_head_count,
                    slm.vocab_size,
                    slm.max_context
                ),
            ),
        ],
        FormatClaims::Listed(_, claims) => {
            let labels = [
                (".architecture", "architecture"),
                (".parameter_count", "parameters"),
                (".tensor_count", "tensors"),
                (".tensor_types", "stored as"),
                (".context_length", "context"),
                (".opset_version", "opset"),
            ];
            let claim = |(ending, label): (&str, &'static str)| {
                let (key, value) = claims.iter().find(|(key, _)| key.ends_with(ending))?;
                let named = match *key {
                    "gguf.tensor_types" => named(value, |number| gguf::type_name(number.try_into().ok()?)),
                    "onnx.tensor_types" => named(value, onnx::type_name),
                    _ => value.clone(),
                };
                Some((label, named))
            };
            labels.into_iter().filter_map(claim).collect()
        }
    }
}

/// `NAME:NUMBER` for each type, given by number, whose name is known here.
fn named(counts: &str, name_of: impl Fn(u64) -> Option<&'static str>) -> String {
    let name = |entry: &str| {
        let (number, count) = entry.split_once(':')?;
        Some(format!("{}:{count}", name_of(number.parse().ok()?)?))
    };
    let entries: Vec<String> =
        counts.split(',').map(|entry| name(entry).unwrap_or_else(|| entry.to_owned())).collect();
    entries.join(",")
}

fn signature(manifest: &Manifest) -> String {
    if manifest.is_signed() {
        format!(
            "signed by {}, and whether that is known cannot be told",
            escape::shown(manifest.publisher_key_id())
        )
    } else {
        "none: nobody vouches for this publisher name".to_owned()
    }
}

/// Lays label and value out in two columns.
pub(crate) fn table(lines: &[(String, String)]) -> Line {
    let width = lines.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0).min(24);
    let mut table = Line::default();
    for (number, (label, value)) in lines.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        table = table
            .with(Tone::Plain, gap)
            .with(Tone::Strong, format!("{label:width$}"))
            .with(Tone::Plain, format!("  {value}"));
    }
    table
}

/// The table of a question: rows with keys and hashes come last.
pub(crate) fn summary(lines: &[(String, String)]) -> Line {
    let (keys, words): (Vec<_>, Vec<_>) =
        lines.iter().cloned().partition(|(label, _)| matches!(label.as_str(), "signature" | "swarm"));
    table(&[words, keys].concat())
}

/// Prints a table as the answer.
pub(crate) fn answer(printer: &Printer, lines: &[(String, String)]) -> Result<(), Failure> {
    printer.answer(table(lines))
}
