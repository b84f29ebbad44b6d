//! A complete file that is served, and changes to it meanwhile.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use minimodel_swarm::store::{Change, ChunkSource as _, FileSource, SourceError, SourceFile};
use minimodel_verifier::chunk::{verify_chunk, verify_range};
use minimodel_verifier::sha256;

use super::Artifact;

fn seed(artifact: &Artifact, path: &Path) -> FileSource {
    fs::write(path, &artifact.bytes).unwrap();
    FileSource::new(SourceFile::open(path).unwrap(), artifact.spec.layout, Arc::new(artifact.tree.clone()))
        .unwrap()
}

/// Sets a modification time that certainly differs, however coarse the clock of the file system is.
fn touch(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(5)).unwrap();
}

#[test]
fn a_source_hands_out_every_chunk_with_its_proof() {
    let artifact = Artifact::new(5 * 16_384 + 9);
    let directory = tempfile::tempdir().unwrap();
    let source = seed(&artifact, &directory.path().join("a.slm"));
    let (root, count) = (&artifact.spec.root, source.layout().count());
    for index in 0..count {
        let chunk = source.chunk(index).unwrap();
        assert_eq!(chunk.bytes, artifact.chunk(index));
        verify_chunk(root, count, index, &sha256(&chunk.bytes), &chunk.proof).unwrap();
    }
    let (hashes, proof) = source.leaves(2, 4).unwrap();
    verify_range(root, count, 2, &hashes, &proof).unwrap();
    assert_eq!((source.leaves(2, 5), source.leaves(u32::MAX, 2)), (None, None));
    assert!(matches!(source.chunk(count), Err(SourceError::NoSuchChunk { .. })));
    assert!(!source.has(count) && source.has(count - 1) && !source.is_suspicious());
}

#[test]
fn what_is_checked_is_what_is_served() {
    let artifact = Artifact::new(2 * 16_384);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.slm");
    fs::write(&path, &artifact.bytes).unwrap();
    let file = SourceFile::open(&path).unwrap();
    // Another file under the same name, after the opening.
    fs::write(directory.path().join("b"), b"other").unwrap();
    fs::rename(directory.path().join("b"), &path).unwrap();
    let mut bytes = Vec::new();
    file.reader().read_to_end(&mut bytes).unwrap();
    assert!(bytes == artifact.bytes && file.byte_count() == 2 * 16_384);
    let source = FileSource::new(file, artifact.spec.layout, Arc::new(artifact.tree.clone())).unwrap();
    assert_eq!(source.chunk(1).unwrap().bytes, artifact.chunk(1));
}

// Rows: E14
#[test]
fn other_times_make_suspicious_but_the_same_bytes_are_served() {
    let artifact = Artifact::new(2 * 16_384);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.slm");
    let source = seed(&artifact, &path);
    touch(&path);
    assert_eq!(source.chunk(0).unwrap().bytes, artifact.chunk(0));
    assert!(source.is_suspicious() && source.change().is_none());
}

// Rows: E14
#[test]
fn changed_bytes_end_the_share_and_are_never_handed_out() {
    let artifact = Artifact::new(3 * 16_384);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.slm");
    let source = seed(&artifact, &path);
    let mut bytes = artifact.bytes.clone();
    bytes[16_384 + 7] ^= 1;
    fs::write(&path, &bytes).unwrap();
    touch(&path);
    // An unchanged chunk may still be served; the changed chunk may not, and after it no other chunk either.
    assert_eq!(source.chunk(0).unwrap().bytes, artifact.chunk(0));
    for index in [1, 0, 2] {
        let error = source.chunk(index).unwrap_err();
        assert!(matches!(error, SourceError::Changed { what: Change::Content { index: 1 }, .. }), "{error}");
    }
    assert!(!source.has(0));
}

// Rows: E14
#[test]
fn a_complaint_finds_a_change_that_left_no_trace_in_the_times() {
    let artifact = Artifact::new(2 * 16_384);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.slm");
    let mut bytes = artifact.bytes.clone();
    bytes[0] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let file = SourceFile::open(&path).unwrap();
    let source = FileSource::new(file, artifact.spec.layout, Arc::new(artifact.tree)).unwrap();
    source.suspect();
    assert!(matches!(source.chunk(0), Err(SourceError::Changed { .. })));
}

// Rows: E14
#[test]
fn unread_chunk_is_hashed_before_it_is_first_handed_out() {
    let artifact = Artifact::new(130 * 16_384 + 9);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.slm");
    let unread = |changed: u32| {
        let mut bytes = artifact.bytes.clone();
        bytes[changed as usize * 16_384 + 5] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let (layout, tree) = (artifact.spec.layout, Arc::new(artifact.tree.clone()));
        FileSource::unread(SourceFile::open(&path).unwrap(), layout, tree).unwrap()
    };
    // Chunks in the first, a middle and the last word of the bitmap, and the last chunk.
    for changed in [0, 64, 129, 130] {
        let source = unread(changed);
        for index in (0..131).rev().filter(|index| *index != changed) {
            assert_eq!(source.chunk(index).unwrap().bytes, artifact.chunk(index));
        }
        let error = source.chunk(changed).unwrap_err();
        let what = Change::Content { index: changed };
        assert!(matches!(error, SourceError::Changed { what: found, .. } if found == what), "{error:?}");
        assert!(!source.has(0) && source.chunk(1).is_err());
    }
}

// Rows: E14
#[test]
fn a_truncated_or_grown_file_is_named_with_both_lengths() {
    let artifact = Artifact::new(2 * 16_384);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.slm");
    for now in [0, 32_767, 32_769] {
        let source = seed(&artifact, &path);
        File::options().write(true).open(&path).unwrap().set_len(now).unwrap();
        let error = source.chunk(0).unwrap_err();
        let expected = Change::Length { was: 32_768, now };
        assert!(matches!(error, SourceError::Changed { what, .. } if what == expected));
        let file = SourceFile::open(&path).unwrap();
        let tree = Arc::new(artifact.tree.clone());
        assert!(FileSource::new(file, artifact.spec.layout, tree).is_err());
    }
}
