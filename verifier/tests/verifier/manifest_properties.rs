//! Properties of every manifest: round trips, order, and no panic on any bytes.

use std::collections::BTreeMap;

use minimodel_verifier::manifest::{Acquisition, Evidence, FormatClaims, ManifestDraft, check};
use minimodel_verifier::{Manifest, ManifestError};
use proptest::prelude::*;

use crate::manifest_inputs::{key, signed, unsigned};

fn evidence() -> impl Strategy<Value = Vec<Evidence>> {
    let piece =
        ("[a-z0-9][a-z0-9_-]{0,20}", "/[a-z]{1,9}(/[A-Za-z0-9_~-]{1,9}){0,3}", any::<Option<[u8; 32]>>());
    prop::collection::vec(piece.prop_map(|(kind, route, sha256)| Evidence { kind, route, sha256 }), 0..13)
}

fn extra() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("x\\.[b-d0-9][b-d0-9_]{0,9}", "([!-~]([ -~]{0,40}[!-~])?)?", 0..20)
}

prop_compose! {
    /// Any manifest that keeps the rules.
    fn draft()(
        model_id in "[a-z0-9](\\.?[a-z0-9_-]){0,30}",
        model_version in "[A-Za-z0-9][A-Za-z0-9._+-]{0,63}",
        byte_count in 1_u64..,
        exponent in 14..=24_u32,
        digests in any::<[[u8; 32]; 3]>(),
        numbers in prop::array::uniform8(1_u64..),
        checksum in any::<u64>(),
        lane in 0_usize..3,
        spdx in prop::option::of("[A-Z][A-Za-z0-9.-]{0,9}( OR [A-Z]{3}-[0-9])?"),
        source_id in prop::option::of("[!-~]{1,40}"),
        ram_mb in any::<Option<u64>>(),
        evidence in evidence(),
        extra in extra(),
    ) -> ManifestDraft {
        let mut draft = Manifest::parse(unsigned().as_bytes()).expect("valid").draft().clone();
        draft.model_id = model_id;
        draft.model_version = model_version;
        draft.artifact.byte_count = byte_count;
        draft.artifact.acquisition = Acquisition::ALL[lane];
        draft.chunks.size = 1_u64 << exponent;
        draft.chunks.count = byte_count.div_ceil(draft.chunks.size);
        let FormatClaims::Slm(slm) = &mut draft.claims else { unreachable!("a .slm file") };
        [draft.artifact.sha256, draft.chunks.merkle_root, slm.tokenizer_sha256] = digests;
        slm.checksum = checksum;
        [slm.vocab_size, slm.hidden_size, slm.layer_count, slm.head_count, ..] = numbers;
        [.., slm.kv_head_count, slm.ffn_size, slm.max_context, slm.parameter_count] = numbers;
        draft.license_spdx = spdx;
        draft.source.id = source_id;
        draft.requires.ram_mb = ram_mb;
        draft.evidence = evidence;
        draft.extra = extra;
        draft
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    // Rows: D1, D2
    #[test]
    fn parse_of_print_is_the_same_manifest(draft in draft(), with_key in any::<bool>()) {
        let manifest = if with_key { draft.sign(&key()) } else { draft.build() }.expect("keeps the rules");
        prop_assert_eq!(manifest.draft(), &draft);
        let read = Manifest::parse(manifest.text().as_bytes());
        prop_assert_eq!(read, Ok(manifest));
    }

    #[test]
    fn the_canonical_form_does_not_depend_on_order_or_line_ends(
        draft in draft(),
        order in Just(()).prop_perturb(|(), mut random| random.next_u64()),
        ends in any::<[bool; 8]>(),
    ) {
        let manifest = draft.sign(&key()).expect("keeps the rules");
        let text = manifest.text();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_by_key(|line| minimodel_verifier::sha256(format!("{order}{line}").as_bytes()));
        let ends = ends.iter().cycle().map(|crlf| if *crlf { "\r\n" } else { "\n" });
        let shuffled: String = lines.iter().zip(ends).map(|(line, end)| format!("{line}{end}")).collect();
        prop_assert_eq!(Manifest::parse(shuffled.as_bytes()), Ok(manifest));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        let report = check(&bytes);
        prop_assert_eq!(report.ok(), Manifest::parse(&bytes).is_ok());
    }

    // Rows: D8
    #[test]
    fn no_edit_makes_it_panic_or_print_control_characters(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..8),
    ) {
        let mut text = signed().text().into_bytes();
        for (index, byte, kind) in edits {
            let at = index.index(text.len());
            match kind {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => drop(text.remove(at)),
            }
        }
        let report = check(&text);
        let parsed = Manifest::parse(&text);
        prop_assert_eq!(report.ok(), parsed.is_ok());
        if let Err(error) = parsed {
            prop_assert!(is_harmless(&error));
            prop_assert_eq!(report.failures().map(|check| check.name).collect::<Vec<_>>(), [error.check_name()]);
        }
    }

    // Rows: D9
    #[test]
    fn no_changed_byte_passes_for_the_signed_manifest(index in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let manifest = signed();
        let mut text = manifest.text().into_bytes();
        let at = index.index(text.len());
        prop_assume!(text[at] != byte);
        text[at] = byte;
        if let Ok(other) = Manifest::parse(&text) {
            prop_assert_ne!(other.swarm_id(), manifest.swarm_id());
        }
    }

    // Rows: D8
    #[test]
    fn no_foreign_text_steers_a_terminal_through_an_error(text in any::<String>()) {
        let long = text.repeat(50);
        let errors = [
            ManifestError::UnknownKey { line: 1, key: long.clone() },
            ManifestError::NoEquals { line: 1, text: long.clone() },
            ManifestError::MissingKey { key: "model.id" },
            ManifestError::ProjectServerUrl(minimodel_verifier::manifest::FieldAt { line: 1, key: text, value: long }),
        ];
        prop_assert!(errors.iter().all(is_harmless));
    }
}

fn is_harmless(error: &ManifestError) -> bool {
    let message = error.to_string();
    message.len() < 2000 && message.bytes().all(|byte| (0x20..=0x7E).contains(&byte))
}
