//! Manifest and artifact together, checked with files and manifests of the fixtures.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use minimodel_fixtures::{
    ManifestOptions, ManifestText, Quantization, Shape, audit_path, bad_slm, chunk_hashes, chunk_list, facts,
    false_claims, manifest_artifact, merkle_root, slm_vec, unreproduced_checksum, valid_slm, valid_variants,
};
use minimodel_verifier::artifact::Format;
use minimodel_verifier::chunk::{Layout, LayoutError, Tree, hash_chunks, list};
use minimodel_verifier::digest::tagged;
use minimodel_verifier::report::{Outcome, Report};
use minimodel_verifier::sha::Sha256;
use minimodel_verifier::slm::Rule;
use minimodel_verifier::verify::{
    CHECKS_VERSION, ChunkVerdict, Following, Verified, inspect_artifact, verify_artifact, verify_chunks,
};
use minimodel_verifier::{Manifest, sha256};

const CHUNK: usize = 16 * 1024;

fn options(chunk_size: usize) -> ManifestOptions {
    ManifestOptions { chunk_size, ..ManifestOptions::default() }
}

fn text_of(artifact: &[u8], chunk_size: usize) -> ManifestText {
    ManifestText::of(artifact, &options(chunk_size))
}

fn parse(text: &ManifestText) -> Manifest {
    Manifest::parse(text.render().as_bytes()).unwrap()
}

/// Verifies a file of which nothing is known.
fn entering(manifest: &Manifest, artifact: &[u8]) -> Verified {
    verify_artifact(manifest, &mut Cursor::new(artifact)).unwrap()
}

/// Verifies a file whose chunks were proven one by one, in pieces of any size, some hashed beside other bytes.
fn arrived(manifest: &Manifest, artifact: &[u8]) -> Verified {
    let mut following = Following::new(Arc::new(manifest.clone()));
    let mut other = Sha256::default();
    for (number, piece) in artifact.chunks(10_007).enumerate() {
        match number % 3 {
            0 => following.push(piece),
            _ => following.push_beside(piece, &mut other, &piece[piece.len() / 2..]),
        }
    }
    following.finish()
}

fn failures(report: &Report) -> Vec<&str> {
    report.failures().map(|check| check.name).collect()
}

/// A reader that returns few bytes at a time, is interrupted now and then, and counts its bytes.
struct Stutter<'a> {
    bytes: &'a [u8],
    given: usize,
    calls: usize,
}

impl Read for Stutter<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = buf.len().min(10_007).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(len);
        buf[..len].copy_from_slice(now);
        (self.bytes, self.given) = (later, self.given + len);
        Ok(len)
    }
}

#[test]
fn valid_file_passes_entering_and_arrived_checks_in_order() {
    let written = valid_slm().into_iter().map(|(name, shape)| (name, slm_vec(&shape, 3)));
    for (name, artifact) in written.chain(valid_variants()) {
        let manifest = parse(&text_of(&artifact, CHUNK));
        let entered = entering(&manifest, &artifact);
        let mut order = vec!["artifact.byte_count", "artifact.sha256"];
        order.extend(Rule::ALL.iter().filter(|rule| **rule != Rule::Checksum).map(|rule| rule.name()));
        order.extend(["slm.tokenizer_checksum", "slm.tensor_layout_checksum", "slm.quantization"]);
        order.extend(["slm.vocab_size", "slm.hidden_size", "slm.layer_count", "slm.head_count"]);
        order.extend(["slm.kv_head_count", "slm.ffn_size", "slm.max_context", "slm.parameter_count"]);
        order.extend(["slm.checksum", "chunk.count", "chunk.merkle_root"]);
        for verified in [&entered, &arrived(&manifest, &artifact)] {
            let names: Vec<_> = verified.report.checks().iter().map(|check| check.name).collect();
            assert_eq!(names, order, "{name}");
            assert!(verified.report.checks().iter().all(|check| check.outcome == Outcome::Pass), "{name}");
            assert!(verified.facts.is_some(), "{name}");
        }
        assert_eq!(entered.tree.unwrap().chunk_hashes(), chunk_hashes(&artifact, CHUNK), "{name}");
    }
}

#[test]
fn a_check_that_comes_or_goes_raises_the_version_of_the_checks() {
    let artifact = manifest_artifact();
    let verified = entering(&parse(&text_of(&artifact, CHUNK)), &artifact);
    let names: Vec<_> = verified.report.checks().iter().map(|check| check.name).collect();
    // If the digest changes, raise `CHECKS_VERSION`, then change both values.
    assert_eq!(
        (CHECKS_VERSION, tagged(&sha256(names.join("\n").as_bytes())).as_str()),
        (1, "sha256:6FE031BFCDC622A671110000096E656C77823950B3261367E80E327BE0338DFF")
    );
}

#[test]
fn after_an_arrival_the_report_says_what_was_not_done_again() {
    let artifact = manifest_artifact();
    let verified = arrived(&parse(&text_of(&artifact, CHUNK)), &artifact);
    let found = |name: &str| verified.report.check(name).unwrap().found.clone();
    assert_eq!(found("chunk.merkle_root"), "every chunk proven on arrival");
    let stored = facts(&artifact).header.checksum;
    assert_eq!(found("slm.checksum"), format!("{stored:016x}, compared, not recomputed"));
    assert_eq!(verified.tree, None);
}

// Rows: D10, D12
#[test]
fn every_false_claim_fails_its_own_check_and_no_other() {
    let artifact = slm_vec(&valid_slm().swap_remove(3).1, 1);
    let claims = false_claims(&artifact, &options(CHUNK));
    assert_eq!(claims.len(), 15);
    for claim in claims {
        let manifest = Manifest::parse(&claim.text).unwrap();
        let verified = entering(&manifest, &artifact);
        assert_eq!(failures(&verified.report), [claim.rule], "{}", claim.name);
        let tree_is_right = !["chunk.merkle_root", "artifact.byte_count"].contains(&claim.rule);
        assert_eq!(verified.tree.is_some(), tree_is_right, "{}", claim.name);
    }
}

// Rows: D14
#[test]
fn a_bad_file_with_a_right_manifest_fails_its_rule_alone() {
    let mut judged = 0;
    // No manifest can describe an empty file.
    for bad in bad_slm().into_iter().filter(|bad| !bad.bytes.is_empty()) {
        let Ok(manifest) = Manifest::parse(text_of(&bad.bytes, CHUNK).render().as_bytes()) else { continue };
        for verified in [entering(&manifest, &bad.bytes), arrived(&manifest, &bad.bytes)] {
            assert_eq!(failures(&verified.report), [bad.rule], "{}", bad.name);
        }
        judged += 1;
    }
    assert!(judged > 100, "{judged}");
}

#[test]
fn a_checksum_that_cannot_be_reproduced_is_a_warning() {
    let artifact = unreproduced_checksum();
    let verified = entering(&parse(&text_of(&artifact, CHUNK)), &artifact);
    let check = verified.report.check("slm.checksum").unwrap();
    let stored = facts(&artifact).header.checksum;
    assert_eq!(check.outcome, Outcome::Warn);
    assert_eq!(check.found, format!("unreproduced: {stored:016x}"));
    assert!(verified.report.ok() && verified.tree.is_some());

    let inspected =
        inspect_artifact(Format::Slm, artifact.len() as u64, CHUNK as u64, &mut Cursor::new(&artifact))
            .unwrap();
    assert_eq!(inspected.report.check("slm.checksum"), Some(check));
    assert_ne!(inspected.rolling, stored);
}

#[test]
fn artifact_of_another_length_fails_by_that_and_is_not_read_on() {
    let artifact = slm_vec(&valid_slm().swap_remove(0).1, 1);
    let manifest = parse(&text_of(&artifact, CHUNK));
    let longer = [artifact.as_slice(), &[0; 100_000]].concat();
    for (bytes, found) in [
        (&longer[..], format!("more than {}", artifact.len())),
        (&artifact[..artifact.len() - 1], (artifact.len() - 1).to_string()),
        (&[], "0".to_owned()),
    ] {
        let mut reader = Stutter { bytes, given: 0, calls: 0 };
        let entered = verify_artifact(&manifest, &mut reader).unwrap();
        assert!(reader.given <= artifact.len() + 1);
        for verified in [entered, arrived(&manifest, bytes)] {
            let [check] = verified.report.checks() else { panic!("{:?}", verified.report) };
            assert_eq!((check.name, check.outcome), ("artifact.byte_count", Outcome::Fail));
            assert_eq!((&check.found, &check.expected), (&found, &artifact.len().to_string()));
            assert_eq!((verified.tree, verified.facts), (None, None));
        }
    }
}

#[test]
fn every_chunk_size_gives_the_tree_of_the_plain_computation() {
    // More than two blocks, and neither a whole number of blocks nor of chunks.
    let artifact = slm_vec(&Shape::about(9_000_000, Quantization::Q8_0).unwrap(), 4);
    for shift in 14..=24 {
        let chunk_size = 1_usize << shift;
        let expected = chunk_hashes(&artifact, chunk_size);
        let mut reader = Stutter { bytes: &artifact, given: 0, calls: 0 };
        let inspected =
            inspect_artifact(Format::Slm, artifact.len() as u64, chunk_size as u64, &mut reader).unwrap();
        let tree = inspected.tree.unwrap();
        assert_eq!(tree.chunk_hashes(), expected, "{chunk_size}");
        assert_eq!(*tree.root(), merkle_root(&expected), "{chunk_size}");
        let layout = Layout::new(artifact.len() as u64, chunk_size as u64).unwrap();
        assert_eq!(hash_chunks(&layout, artifact.as_slice()).unwrap(), expected, "{chunk_size}");
        let last = expected.len() - 1;
        assert_eq!(tree.proof(last as u32).unwrap(), audit_path(&expected, last), "{chunk_size}");
        assert_eq!(list::render(&expected), chunk_list(&expected));
    }
}

#[test]
fn an_inspection_finds_what_the_fixtures_wrote() {
    for (name, shape) in valid_slm() {
        let artifact = slm_vec(&shape, 8);
        let (len, expected) = (artifact.len() as u64, facts(&artifact));
        let inspected = inspect_artifact(Format::Slm, len, 65_536, &mut Cursor::new(&artifact)).unwrap();
        assert!(inspected.report.ok(), "{name}");
        assert_eq!(inspected.sha256, expected.sha256, "{name}");
        assert_eq!(inspected.rolling, expected.header.checksum, "{name}");
        assert_eq!(inspected.facts.unwrap().parameter_count, shape.parameter_count(), "{name}");

        let shorter = inspect_artifact(Format::Slm, len + 1, 65_536, &mut Cursor::new(&artifact)).unwrap();
        assert_eq!(failures(&shorter.report), ["artifact.byte_count"], "{name}");
        assert_eq!((shorter.tree, shorter.facts), (None, None), "{name}");
    }
    let error = inspect_artifact(Format::Slm, 0, 65_536, &mut Cursor::new(b"")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let source = error.get_ref().and_then(|source| source.downcast_ref::<LayoutError>());
    assert_eq!(source, Some(&LayoutError::Empty));
}

#[test]
fn an_error_of_reading_is_no_verdict() {
    struct Broken(usize);
    impl Read for Broken {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let len = buf.len().min(self.0);
            if len == 0 {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            self.0 -= len;
            Ok(len)
        }
    }
    let manifest = parse(
        &text_of(&manifest_artifact(), CHUNK)
            .with("artifact.byte_count", "9000000")
            .with("chunk.count", &9_000_000_usize.div_ceil(CHUNK).to_string()),
    );
    for len in [0, 100, 4 << 20, 5_000_000] {
        let error = verify_artifact(&manifest, &mut Broken(len)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{len}");
    }
}

// Rows: D11
#[test]
fn more_chunks_than_a_tree_may_hold_are_refused_by_their_count() {
    let count = (1_u64 << 24) + 1;
    let text = text_of(&manifest_artifact(), CHUNK)
        .with("artifact.byte_count", &(count * CHUNK as u64).to_string())
        .with("chunk.count", &count.to_string());
    let audit = verify_chunks(&parse(&text), None, [0_u8; 100].as_slice(), 100).unwrap();
    assert_eq!(failures(&audit.report), ["chunk.count"]);
    assert_eq!((audit.verdicts.len(), audit.is_complete()), (0, false));
}

/// A file of five chunks, its manifest with the SHA-256 of the list, and the list.
fn five_chunks() -> (Vec<u8>, Manifest, Vec<[u8; 32]>) {
    let shape = Shape::about(70_000, Quantization::Q4_0).unwrap();
    let artifact = slm_vec(&shape, 2);
    let chunks = chunk_hashes(&artifact, CHUNK);
    assert_eq!(chunks.len(), 5);
    let list_sha256 = minimodel_verifier::sha256(chunk_list(&chunks).as_bytes());
    let text = text_of(&artifact, CHUNK)
        .with("chunk.list_route", "/models/sample-model/chunks")
        .with("chunk.list_sha256", &minimodel_verifier::digest::tagged(&list_sha256));
    (artifact, parse(&text), chunks)
}

#[test]
fn chunk_list_judges_each_chunk_of_a_partial_file_by_itself() {
    use ChunkVerdict::{Absent, Bad, Good};
    let (mut artifact, manifest, chunks) = five_chunks();
    let judge = |bytes: &[u8]| verify_chunks(&manifest, Some(&chunks), bytes, bytes.len() as u64).unwrap();

    let whole = judge(&artifact);
    assert!(whole.report.ok() && whole.is_complete());
    let names: Vec<_> = whole.report.checks().iter().map(|check| check.name).collect();
    let order = ["artifact.byte_count", "chunk.count", "chunk.list_sha256", "chunk.list_count"];
    assert_eq!(names, [&order[..], &["chunk.merkle_root", "chunk.data", "chunk.present"]].concat());

    artifact[2 * CHUNK + 5] ^= 1;
    let partial = judge(&artifact[..3 * CHUNK + 1]);
    assert_eq!(partial.verdicts, [Good, Good, Bad, Absent, Absent]);
    assert_eq!(failures(&partial.report), ["chunk.data"]);
    assert_eq!(partial.report.check("chunk.data").unwrap().found, "1 bad, 2 good; bad: 2");
    let present = partial.report.check("chunk.present").unwrap();
    assert_eq!((present.outcome, present.found.as_str()), (Outcome::Warn, "3 of 5"));

    let part = judge(&artifact[..2 * CHUNK]);
    assert_eq!(part.verdicts, [Good, Good, Absent, Absent, Absent]);
    assert!(part.report.ok() && !part.is_complete());
    assert_eq!(judge(&[]).verdicts, [Absent; 5]);

    artifact.push(0);
    assert_eq!(failures(&judge(&artifact).report), ["artifact.byte_count", "chunk.data"]);
}

#[test]
fn a_list_that_is_not_the_manifests_judges_nothing() {
    let (artifact, manifest, chunks) = five_chunks();
    let judge = |list: &[[u8; 32]], bytes: &[u8]| {
        let audit = verify_chunks(&manifest, Some(list), bytes, bytes.len() as u64).unwrap();
        let failed: Vec<String> = failures(&audit.report).into_iter().map(str::to_owned).collect();
        (failed, audit)
    };
    let (failed, audit) = judge(&chunks[..4], &artifact);
    assert_eq!(failed, ["chunk.list_sha256", "chunk.list_count"]);
    assert_eq!(audit.verdicts, [ChunkVerdict::Unjudged; 5]);
    let mut swapped = chunks;
    swapped.swap(0, 1);
    let (failed, audit) = judge(&swapped, &artifact[..CHUNK]);
    assert_eq!(failed, ["chunk.list_sha256", "chunk.merkle_root"]);
    assert_eq!((audit.count(ChunkVerdict::Unjudged), audit.count(ChunkVerdict::Absent)), (1, 4));
    assert_eq!(audit.report.check("chunk.data"), None);
}

#[test]
fn without_a_list_only_a_whole_file_is_judged_and_only_as_one() {
    let (mut artifact, manifest, chunks) = five_chunks();
    let judge = |bytes: &[u8]| verify_chunks(&manifest, None, bytes, bytes.len() as u64).unwrap();
    let whole = judge(&artifact);
    assert!(whole.report.ok() && whole.is_complete());
    assert_eq!(Tree::from_chunk_hashes(chunks).root(), manifest.merkle_root());

    let partial = judge(&artifact[..2 * CHUNK]);
    assert_eq!(partial.report.check("chunk.merkle_root").unwrap().outcome, Outcome::Warn);
    assert_eq!(partial.count(ChunkVerdict::Unjudged), 2);
    assert!(!partial.is_complete());

    artifact[0] ^= 1;
    let damaged = judge(&artifact);
    assert_eq!(failures(&damaged.report), ["chunk.merkle_root"]);
    assert_eq!(damaged.verdicts, [ChunkVerdict::Unjudged; 5]);
}
