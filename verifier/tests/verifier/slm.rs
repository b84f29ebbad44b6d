//! The `.slm` rules against the files of `minimodel-fixtures`, written from the format page and without this crate.

use minimodel_fixtures::{
    BadSlm, bad_slm, facts, seal, slm_vec, unreproduced_checksum, valid_slm, valid_variants,
};
use minimodel_verifier::report::Outcome;
use minimodel_verifier::slm::{Rolling, Rule, Scan, SlmOutcome};
use proptest::prelude::*;

fn scan(bytes: &[u8], slice: usize) -> SlmOutcome {
    let mut scan = Scan::new(bytes.len() as u64);
    bytes.chunks(slice).for_each(|part| scan.push(part));
    let outcome = scan.finish();
    // Without a failure every rule must be decided, or a rule would pass without a check.
    assert!(!outcome.report.ok() || outcome.report.checks().len() == Rule::ALL.len() - 1);
    assert!(!outcome.report.ok() || outcome.facts.is_some());
    let errors: Vec<_> = outcome.errors.iter().map(|error| error.rule().name()).collect();
    assert_eq!(failures(&outcome), errors);
    outcome
}

fn failures(outcome: &SlmOutcome) -> Vec<&str> {
    outcome.report.failures().map(|check| check.name).collect()
}

fn valid_files() -> Vec<(&'static str, Vec<u8>)> {
    let written = valid_slm().into_iter().map(|(name, shape)| (name, slm_vec(&shape, 1)));
    written.chain(valid_variants()).collect()
}

#[test]
fn every_valid_file_passes_all_rules_in_order_with_its_facts() {
    for (name, bytes) in valid_files() {
        let outcome = scan(&bytes, bytes.len());
        let names: Vec<_> = outcome.report.checks().iter().map(|check| check.name).collect();
        // The checksum is decided where it is recomputed or compared.
        let all: Vec<_> =
            Rule::ALL.iter().map(|rule| rule.name()).filter(|name| *name != "slm.checksum").collect();
        assert_eq!(names, all, "{name}");
        assert!(outcome.report.checks().iter().all(|check| check.outcome == Outcome::Pass), "{name}");

        let (found, expected) = (outcome.facts.unwrap(), facts(&bytes));
        assert_eq!(found.tokenizer_sha256, expected.tokenizer_sha256, "{name}");
        assert_eq!(found.layout_sha256, expected.layout_sha256, "{name}");
        assert_eq!(found.parameter_count, expected.parameter_count, "{name}");
        assert_eq!(found.quantization.as_str(), expected.quantization, "{name}");
        assert_eq!(found.stored_checksum, expected.header.checksum, "{name}");
        assert_eq!(found.header.layer_count, expected.header.layer_count, "{name}");
    }
}

// Rows: D13
#[test]
fn every_bad_file_fails_the_rule_it_breaks_and_no_other() {
    let mut wrong = Vec::new();
    for BadSlm { name, rule, bytes } in bad_slm() {
        let outcome = scan(&bytes, bytes.len().max(1));
        let broken: Vec<_> =
            outcome.report.failures().map(|check| (check.name, check.found.as_str())).collect();
        match broken.as_slice() {
            [(only, found)] if *only == rule && !found.is_empty() => (),
            _ => wrong.push(format!("{name} breaks {rule}, found {broken:?}")),
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_rule_has_a_bad_file() {
    let mut broken: Vec<&str> = bad_slm().iter().map(|bad| bad.rule).collect();
    // A length other than announced, and headers too large for a whole file, have tests of their own below.
    broken.extend(["slm.file.length", "slm.tokenizer.limit", "slm.tensors.limit"]);
    let unbroken: Vec<_> =
        Rule::ALL.iter().map(|rule| rule.name()).filter(|name| !broken.contains(name)).collect();
    assert_eq!(unbroken, [""; 0]);
}

#[test]
fn slm_page_lists_every_rule_in_words_and_order_of_the_report() {
    let page = include_str!("../../../docs/slm.md");
    let listed: Vec<&str> = page.lines().filter(|line| line.starts_with("| `slm.")).collect();
    let rows: Vec<String> =
        Rule::ALL.iter().map(|rule| format!("| `{}` | {} |", rule.name(), rule.expected())).collect();
    let claims = ["slm.tokenizer_checksum", "slm.tensor_layout_checksum", "slm.quantization"];
    assert_eq!(listed[..rows.len()], rows);
    assert!(claims.iter().all(|claim| page.contains(claim)));
}

#[test]
fn rolling_checksum_equals_the_stored_one_where_reproducible() {
    let rolling = |bytes: &[u8]| {
        let mut rolling = Rolling::new();
        rolling.push(bytes);
        rolling.finish()
    };
    for (name, bytes) in valid_files() {
        assert_eq!(rolling(&bytes), facts(&bytes).header.checksum, "{name}");
    }
    let other = unreproduced_checksum();
    assert_ne!(rolling(&other), facts(&other).header.checksum);
    assert_eq!(failures(&scan(&other, 4096)), [""; 0]);
}

#[test]
fn slices_of_any_size_give_one_report() {
    let good = valid_files().into_iter().map(|(name, bytes)| (name.to_owned(), bytes));
    let bad = bad_slm().into_iter().map(|bad| (bad.name.to_owned(), bad.bytes));
    for (name, bytes) in good.chain(bad) {
        let whole = scan(&bytes, bytes.len().max(1));
        for slice in [1, 3, 64, 1021] {
            assert_eq!(scan(&bytes, slice), whole, "{name} in slices of {slice}");
        }
    }
}

#[test]
fn file_of_another_length_than_told_fails_by_length_alone() {
    let bytes = slm_vec(&valid_slm().swap_remove(0).1, 1);
    let told = bytes.len() as u64;
    for len in [0, 50, 108, 500, bytes.len() - 1] {
        let mut scan = Scan::new(told);
        scan.push(&bytes[..len]);
        let outcome = scan.finish();
        assert_eq!(failures(&outcome), ["slm.file.length"], "{len}");
        for undecided in ["slm.payload.finite", "slm.scales.finite", "slm.padding"] {
            assert_eq!(outcome.report.check(undecided), None, "{len}");
        }
    }
    let mut scan = Scan::new(told);
    scan.push(&bytes);
    scan.push(b"more");
    assert_eq!(failures(&scan.finish()), ["slm.file.length"]);
}

// Rows: D13
#[test]
fn numbers_near_the_end_of_their_type_are_refused_at_once() {
    let good = slm_vec(&valid_slm().swap_remove(0).1, 1);
    let words = [0_u64, 1, 63, 64, u64::from(u32::MAX), 1 << 32, 1 << 63, u64::MAX - 63, u64::MAX];
    let directory = facts(&good).header.tensor_directory_offset as usize;
    let fields = (0..100).step_by(4).chain((directory..directory + 256).step_by(4));
    for (offset, word) in fields.flat_map(|offset| words.map(|word| (offset, word))) {
        for len in [4, 8] {
            let mut bytes = good.clone();
            bytes[offset..offset + len].copy_from_slice(&word.to_le_bytes()[..len]);
            let outcome = scan(&bytes, 4096);
            // The numbers that are free within their range: counts of special tokens and of positions, the two
            // positive constants, the checksum, unused dims, an ignored block size and the reserved word.
            let in_entry = offset.checked_sub(directory).map(|at| at % 64);
            let is_free = [24, 52, 56, 60, 100].iter().any(|free| (offset..offset + len).contains(free))
                || in_entry.is_some_and(|at| at + len > 56 || (20..32).contains(&at));
            if bytes != good && !is_free {
                assert!(!outcome.report.ok(), "{word:#x} in {len} bytes at {offset}");
            }
        }
    }
    let mut many_layers = good;
    many_layers[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(failures(&scan(&many_layers, 4096)), ["slm.tensors.missing"]);
}

#[test]
fn a_bpe_section_may_not_name_one_special_id_twice() {
    let (_, shape) = valid_slm().into_iter().find(|(name, _)| *name == "bpe_f32").unwrap();
    let mut bytes = slm_vec(&shape, 1);
    let tokenizer = facts(&bytes).header.tokenizer_offset as usize;
    // PAD takes the id of EOS.
    bytes.copy_within(tokenizer + 16..tokenizer + 20, tokenizer + 20);
    seal(&mut bytes);
    let outcome = scan(&bytes, 4096);
    assert_eq!(failures(&outcome), ["slm.tokenizer.special_ids"]);
    assert!(outcome.report.check("slm.tokenizer.special_ids").unwrap().found.contains("EOS 257, PAD 257"));
}

// Rows: D13
#[test]
fn implementation_limits_are_named_from_the_header_alone() {
    // A header alone decides these; nothing behind it is ever pushed.
    let good = slm_vec(&valid_slm().swap_remove(0).1, 1);
    let refused = |offset: usize, value: &[u8], rule: &str| {
        let mut header = good[..108].to_vec();
        header[offset..offset + value.len()].copy_from_slice(value);
        let mut scan = Scan::new(1 << 40);
        scan.push(&header);
        let outcome = scan.finish();
        let check = outcome.report.check(rule).unwrap();
        assert_eq!(check.outcome, Outcome::Fail, "{rule}");
        assert!(check.expected.contains("limit of this implementation"));
    };
    refused(72, &((64_u64 << 20) + 1).to_le_bytes(), "slm.tokenizer.limit");
    refused(88, &((1_u32 << 17) + 1).to_le_bytes(), "slm.tensors.limit");
}

#[test]
fn messages_name_the_tensor_and_the_place() {
    let found = |name: &str| {
        let bad = bad_slm().into_iter().find(|bad| bad.rule == name).unwrap();
        scan(&bad.bytes, 4096).report.check(name).unwrap().found.clone()
    };
    assert!(found("slm.payload.finite").contains(".weight"), "{}", found("slm.payload.finite"));
    assert!(found("slm.tensors.shape").contains(".weight)"), "{}", found("slm.tensors.shape"));
    assert!(found("slm.padding").contains("at offset"), "{}", found("slm.padding"));
    assert_eq!(found("slm.header.version"), "0 at offset 4");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    // Rows: D13
    #[test]
    fn any_bytes_give_a_report_and_no_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..600), slice in 1..50_usize,
    ) {
        prop_assert!(!scan(&bytes, slice).report.ok());
    }

    // Rows: D13
    #[test]
    fn mutated_files_give_one_report_however_they_are_cut(
        which in any::<usize>(),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>(), any::<bool>()), 1..6),
        cut in any::<usize>(),
        slice in 1..2000_usize,
    ) {
        let shapes = valid_slm();
        let mut bytes = slm_vec(&shapes[which % shapes.len()].1, 1);
        // Half of the changes hit the header, tokenizer and directory, the others any byte.
        let front = bytes.len().min(1500);
        for (at, value, anywhere) in changes {
            let len = if anywhere { bytes.len() } else { front };
            bytes[at % len] = value;
        }
        if cut % 4 == 0 {
            bytes.truncate(cut / 4 % bytes.len() + 1);
        }
        prop_assert_eq!(scan(&bytes, slice), scan(&bytes, bytes.len()));
    }
}
