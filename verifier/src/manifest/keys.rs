//! Which keys a manifest may and must hold.

use super::error::ManifestError;
use super::schema::Schema;
use super::text::Fields;
use crate::artifact::Format;

/// Words, between `.` and `_`, that no key may contain: they would make a machine run or fetch something.
pub(super) const FORBIDDEN_WORDS: [&str; 7] =
    ["install", "script", "command", "callback", "token", "endpoint", "exec"];

/// Optional keys; each section checks which of its own need each other.
const OPTIONAL: [&str; 18] = [
    "chunk.list_route",
    "chunk.list_sha256",
    "evidence.N.kind",
    "evidence.N.route",
    "evidence.N.sha256",
    "evidence.status",
    "license.spdx",
    "model_card.status",
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

/// The keys that every manifest of this version holds, for a file of this format.
pub(super) fn required(schema: Schema, format: Format) -> impl Iterator<Item = &'static str> {
    let optional =
        move |key: &str| OPTIONAL.contains(&key) || (schema == Schema::V1 && key == "model_card.route");
    let common = schema
        .key_list()
        .lines()
        .filter(move |key| !optional(key) && !Format::all().any(|other| is_claim(key, other)));
    common.chain(format.claims().iter().filter(|rule| rule.is_required).map(|rule| rule.key))
}

/// Splits `evidence.N.part` with N in its one decimal spelling. An N beyond u32 saturates, as it is a gap in any case.
pub(super) fn evidence_part(key: &str) -> Option<(u32, &str)> {
    let (number, part) = key.strip_prefix("evidence.")?.split_once('.')?;
    let plain = number == "0" || (number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0'));
    let known = matches!(part, "kind" | "route" | "sha256");
    (plain && !number.is_empty() && known).then(|| (number.parse().unwrap_or(u32::MAX), part))
}

/// Checks that every key is allowed and that no required key is missing.
pub(super) fn check(fields: &Fields<'_>, schema: Schema, format: Format) -> Result<(), ManifestError> {
    for field in fields.in_line_order() {
        let place = || (field.line, field.key.to_owned());
        if let Some(word) = forbidden_word(field.key) {
            let (line, key) = place();
            return Err(ManifestError::ForbiddenWord { line, key, word });
        }
        if !is_allowed(field.key, schema, format) {
            let (line, key) = place();
            return Err(ManifestError::UnknownKey { line, key });
        }
    }
    match required(schema, format).find(|key| fields.optional(key).is_none()) {
        Some(key) => Err(ManifestError::MissingKey { key }),
        None => Ok(()),
    }
}

fn forbidden_word(key: &str) -> Option<&'static str> {
    let words = key.split(['.', '_']);
    words.into_iter().find_map(|word| FORBIDDEN_WORDS.into_iter().find(|forbidden| *forbidden == word))
}

/// True if a file of this format has such a claim.
fn is_claim(key: &str, format: Format) -> bool {
    format.claims().iter().any(|rule| rule.key == key)
}

/// A key of the version, but none of another format's claims.
fn is_allowed(key: &str, schema: Schema, format: Format) -> bool {
    let is_known =
        schema.knows(key) && (is_claim(key, format) || !Format::all().any(|other| is_claim(key, other)));
    key.starts_with("x.") || is_known || evidence_part(key).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_lists_are_sorted_complete_and_pinned() {
        let pinned = [
            (
                Schema::V0,
                Format::Slm,
                33,
                "sha256:C45DDD24C5F2D9BC7C7FBB25E9A7A327A0D348CAB5F3E6535B9BA0F8F1A3FB38",
            ),
            (
                Schema::V1,
                Format::Gguf,
                22,
                "sha256:55872C82FCF616402F09A7221CC967027126BA210B194245A8F819C813290E70",
            ),
            (
                Schema::V1,
                Format::Safetensors,
                21,
                "sha256:55872C82FCF616402F09A7221CC967027126BA210B194245A8F819C813290E70",
            ),
        ];
        for (schema, format, count, checksum) in pinned {
            let list = schema.key_list();
            let keys: Vec<&str> = list.lines().collect();
            assert!(keys.is_sorted_by(|one, next| one < next));
            assert!(list.ends_with('\n') && !list.contains('\r'));
            assert!(format.claims().iter().all(|rule| schema.knows(rule.key)));
            assert_eq!((required(schema, format).count(), schema.checksum()), (count, checksum));
            assert_eq!(list.lines().find_map(forbidden_word), None);
        }
        let is_known = |key: &&str| Schema::ALL.iter().any(|schema| schema.knows(key));
        assert!(OPTIONAL.iter().all(is_known));
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
