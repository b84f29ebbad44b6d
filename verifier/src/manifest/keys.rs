//! Which keys a manifest may and must hold.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::error::ManifestError;
use super::text::Fields;
use crate::digest;

/// The published key list, `docs/manifest-v0.keys`: the required and optional key names, sorted bytewise, one
/// a line. The three keys of a piece of evidence stand there once, with a literal `N`.
pub const KEY_LIST: &str = include_str!("../../../docs/manifest-v0.keys");

/// The only accepted `manifest.schema_checksum`: SHA-256 of [`KEY_LIST`], in the spelling of manifests.
pub static SCHEMA_CHECKSUM: LazyLock<String> =
    LazyLock::new(|| digest::tagged(&digest::sha256(KEY_LIST.as_bytes())));

/// Words, between `.` and `_`, that no key may contain: they would make a machine run or fetch something.
pub(super) const FORBIDDEN_WORDS: [&str; 7] =
    ["install", "script", "command", "callback", "token", "endpoint", "exec"];

/// Optional keys; each section checks which of its own need each other.
const OPTIONAL: [&str; 17] = [
    "chunk.list_route",
    "chunk.list_sha256",
    "evidence.N.kind",
    "evidence.N.route",
    "evidence.N.sha256",
    "evidence.status",
    "license.spdx",
    "requires.arch",
    "requires.ram_mb",
    "requires.vram_mb",
    "signature.algorithm",
    "signature.value",
    "source.id",
    "source.kind",
    "source.revision",
    "source.sha256",
    "takedown.route",
];

static KNOWN: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| KEY_LIST.lines().collect());

/// The keys that every manifest holds.
pub(super) fn required() -> impl Iterator<Item = &'static str> {
    KEY_LIST.lines().filter(|key| !OPTIONAL.contains(key))
}

/// Splits `evidence.N.part` with N in its one decimal spelling. An N beyond u32 saturates, as it is a gap in any case.
pub(super) fn evidence_part(key: &str) -> Option<(u32, &str)> {
    let (number, part) = key.strip_prefix("evidence.")?.split_once('.')?;
    let plain = number == "0" || (number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0'));
    let known = matches!(part, "kind" | "route" | "sha256");
    (plain && !number.is_empty() && known).then(|| (number.parse().unwrap_or(u32::MAX), part))
}

/// Checks that every key is allowed and that no required key is missing.
pub(super) fn check(fields: &Fields<'_>) -> Result<(), ManifestError> {
    for field in fields.in_line_order() {
        let place = || (field.line, field.key.to_owned());
        if let Some(word) = forbidden_word(field.key) {
            let (line, key) = place();
            return Err(ManifestError::ForbiddenWord { line, key, word });
        }
        if !is_allowed(field.key) {
            let (line, key) = place();
            return Err(ManifestError::UnknownKey { line, key });
        }
    }
    match required().find(|key| fields.optional(key).is_none()) {
        Some(key) => Err(ManifestError::MissingKey { key }),
        None => Ok(()),
    }
}

fn forbidden_word(key: &str) -> Option<&'static str> {
    let words = key.split(['.', '_']);
    words.into_iter().find_map(|word| FORBIDDEN_WORDS.into_iter().find(|forbidden| *forbidden == word))
}

fn is_allowed(key: &str) -> bool {
    key.starts_with("x.") || KNOWN.contains(key) || evidence_part(key).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_list_is_sorted_complete_and_pinned() {
        let keys: Vec<&str> = KEY_LIST.lines().collect();
        assert!(keys.is_sorted());
        assert_eq!(KNOWN.len(), keys.len());
        assert!(KEY_LIST.ends_with('\n') && !KEY_LIST.contains('\r'));
        assert!(OPTIONAL.iter().all(|key| KNOWN.contains(key)));
        assert_eq!(required().count(), 33);
        assert_eq!(
            SCHEMA_CHECKSUM.as_str(),
            "sha256:C45DDD24C5F2D9BC7C7FBB25E9A7A327A0D348CAB5F3E6535B9BA0F8F1A3FB38"
        );
    }

    #[test]
    fn no_published_key_holds_a_forbidden_word() {
        assert_eq!(KEY_LIST.lines().find_map(forbidden_word), None);
    }

    #[test]
    fn a_forbidden_word_is_a_run_between_dot_and_underscore() {
        assert_eq!(forbidden_word("x.post_install"), Some("install"));
        assert_eq!(forbidden_word("x.a__exec"), Some("exec"));
        assert_eq!(forbidden_word("token"), Some("token"));
        assert_eq!(forbidden_word("slm.tokenizer_checksum"), None);
        assert_eq!(forbidden_word("x.description.executive"), None);
    }

    #[test]
    fn evidence_numbers_have_one_spelling() {
        assert_eq!(evidence_part("evidence.0.kind"), Some((0, "kind")));
        assert_eq!(evidence_part("evidence.12.sha256"), Some((12, "sha256")));
        assert_eq!(evidence_part("evidence.99999999999.route"), Some((u32::MAX, "route")));
        for bad in
            ["evidence.00.kind", "evidence.01.kind", "evidence..kind", "evidence.1.url", "evidence.N.kind"]
        {
            assert_eq!(evidence_part(bad), None, "{bad}");
        }
    }
}
