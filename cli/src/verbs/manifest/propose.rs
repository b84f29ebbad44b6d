//! What a model file says of itself, proposed for its manifest.

use std::collections::BTreeMap;
use std::path::Path;

use minimodel_verifier::scan::Described;

/// Values for a manifest, by key.
pub(super) type Proposals = BTreeMap<&'static str, String>;

/// A megabyte of `requires.ram_mb`.
const MEGABYTE: u64 = 1_000_000;
/// Longest `model.id` that is proposed: it becomes part of file names.
const MAX_ID_BYTES: usize = 64;

/// What this file, of so many bytes, says of itself.
pub(super) fn of(file: &Path, byte_count: u64, model: &Described) -> Proposals {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let quantization = model.quantization.unwrap_or_default().to_ascii_lowercase();
    let id = match model.name.as_deref().map(word).filter(|name| !name.is_empty()) {
        None => word(&stem),
        Some(name) if name.contains(&quantization) => name,
        Some(name) => format!("{name}-{quantization}"),
    };
    let license = model.license.as_deref().and_then(license);
    let link = model.license_link.clone().filter(|link| link.starts_with("https://"));
    let proposals = [
        ("model.id", Some(id).filter(|id| !id.is_empty())),
        ("model.version", model.version.as_deref().map(word).filter(|version| !version.is_empty())),
        ("license.route", link.or_else(|| text_of(license.as_deref()?))),
        ("license.spdx", license),
        ("requires.ram_mb", Some(byte_count.div_ceil(MEGABYTE).to_string())),
        ("source.kind", model.base_model.as_ref().map(|_| "base-model".to_owned())),
        ("source.id", model.base_model.clone()),
        ("source.revision", model.base_model.as_ref().and(model.base_version.clone())),
    ];
    proposals.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// A page with the text of a license, if SPDX lists it.
pub(super) fn text_of(spdx: &str) -> Option<String> {
    Some(format!("https://spdx.org/licenses/{}.html", listed(spdx)?))
}

/// A license by its name in SPDX, or as `LicenseRef-...` where SPDX lists none of that name.
fn license(name: &str) -> Option<String> {
    let own = || {
        let letters = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '-' };
        let name: String = name.chars().take(MAX_ID_BYTES).map(letters).collect();
        Some(name.trim_matches('-')).filter(|name| !name.is_empty()).map(|name| format!("LicenseRef-{name}"))
    };
    listed(name).map(str::to_owned).or_else(own)
}

/// The license that SPDX lists by this name, in capitals or not.
fn listed(name: &str) -> Option<&'static str> {
    spdx::identifiers::LICENSES.iter().map(|license| license.name).find(|id| id.eq_ignore_ascii_case(name))
}

/// The letters and digits of a text, as a word for a name: `Gemma 3 (it)` is `gemma-3-it`.
fn word(text: &str) -> String {
    let is_kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let mut word = String::new();
    for c in text.chars() {
        match c {
            c if is_kept(c) && !(c == '.' && word.ends_with('.')) => word.push(c.to_ascii_lowercase()),
            _ if word.ends_with('-') => {}
            _ => word.push('-'),
        }
    }
    word.truncate(MAX_ID_BYTES);
    word.trim_matches(['-', '.', '_']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_gemma() -> Described {
        Described {
            name: Some("Gemma 3 270M".to_owned()),
            version: Some("v2.0".to_owned()),
            quantization: Some("Q4_K_M"),
            license: Some("gemma".to_owned()),
            license_link: Some("https://ai.google.dev/gemma/terms".to_owned()),
            base_model: Some("https://example.org/google/gemma-3-270m".to_owned()),
            base_version: None,
        }
    }

    #[test]
    fn what_a_file_says_is_proposed_by_key() {
        let proposals = of(Path::new("dir/model.gguf"), 253_113_024, &of_gemma());
        let expected = [
            ("license.route", "https://ai.google.dev/gemma/terms"),
            ("license.spdx", "LicenseRef-gemma"),
            ("model.id", "gemma-3-270m-q4_k_m"),
            ("model.version", "v2.0"),
            ("requires.ram_mb", "254"),
            ("source.id", "https://example.org/google/gemma-3-270m"),
            ("source.kind", "base-model"),
        ];
        assert_eq!(proposals, expected.map(|(key, value)| (key, value.to_owned())).into());
    }

    #[test]
    fn file_that_says_nothing_gives_its_name_and_size() {
        let proposals = of(Path::new("Qwen3 0.6B..Q4_K_M.gguf"), 1, &Described::default());
        let expected = [("model.id", "qwen3-0.6b.-q4_k_m"), ("requires.ram_mb", "1")];
        assert_eq!(proposals, expected.map(|(key, value)| (key, value.to_owned())).into());
        // No word can be made of this name.
        assert!(!of(Path::new("模型.gguf"), 1, &Described::default()).contains_key("model.id"));
    }

    #[test]
    fn license_is_listed_or_one_of_its_own() {
        for (name, expected) in [
            ("apache-2.0", Some("Apache-2.0")),
            ("MIT", Some("MIT")),
            ("llama 3.2 community", Some("LicenseRef-llama-3.2-community")),
            ("\u{1b}[2J", Some("LicenseRef-2J")),
            ("...", Some("LicenseRef-...")),
            ("--", None),
        ] {
            assert_eq!(license(name).as_deref(), expected, "{name}");
        }
        assert_eq!(text_of("mit").as_deref(), Some("https://spdx.org/licenses/MIT.html"));
        assert_eq!(text_of("LicenseRef-gemma"), None);
    }

    #[test]
    fn name_that_says_its_quantization_is_not_given_it_twice() {
        let named = |name: &str| {
            let model = Described { name: Some(name.to_owned()), ..of_gemma() };
            of(Path::new("m"), 1, &model).remove("model.id").unwrap()
        };
        assert_eq!(named("Gemma Q4_K_M"), "gemma-q4_k_m");
        assert_eq!(named(&"a".repeat(200)).len(), MAX_ID_BYTES + "-q4_k_m".len());
    }
}
