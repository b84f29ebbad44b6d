//! The decision as a table, and the file under damage, concurrent writers and limits.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use ed25519_dalek::SigningKey;
use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
use minimodel_verifier::Manifest;

use super::*;

const NOW: u64 = 1_780_315_200;

fn key(n: u8) -> PublisherKey {
    let key = SigningKey::from_bytes(&[n; 32]).verifying_key();
    format!("ed25519:{}", minimodel_verifier::digest::hex(key.as_bytes())).parse().unwrap()
}

fn known_key(n: u8) -> KeyRecord {
    let origin = KeyOrigin::Import;
    KeyRecord { key: key(n), first_seen_unix: NOW, model: Some("tiny 1".to_owned()), swarm_id: None, origin }
}

/// A publisher with these known keys, of which one may be pinned.
fn publisher(keys: &[u8], pinned: Option<u8>) -> PublisherRecord {
    PublisherRecord { keys: keys.iter().map(|&n| known_key(n)).collect(), pinned: pinned.map(key) }
}

/// A manifest of a publisher, signed by key `n` if there is one.
fn manifest(publisher: &str, n: Option<u8>) -> Manifest {
    let artifact = slm_vec(&Shape::about(45_000, Quantization::Q4_0).unwrap(), 7);
    let options = ManifestOptions {
        publisher_id: publisher.to_owned(),
        signing_key: n.map(|n| SigningKey::from_bytes(&[n; 32])),
        ..ManifestOptions::default()
    };
    Manifest::parse(ManifestText::of(&artifact, &options).render().as_bytes()).unwrap()
}

fn store() -> (tempfile::TempDir, Publishers) {
    let folder = tempfile::tempdir().unwrap();
    let store = Publishers::of(&folder.path().join("state"));
    (folder, store)
}

fn words(known: &KnownPublishers) -> Vec<String> {
    let one = |(id, entry): (&String, &PublisherRecord)| {
        let keys: Vec<_> = entry.keys.iter().map(|key| key.origin.as_str()).collect();
        format!("{id}: {}{}", keys.join("+"), if entry.pinned.is_some() { ", pinned" } else { "" })
    };
    known.iter().map(one).collect()
}

// Rows: H10
#[test]
fn what_a_manifest_shows_against_what_is_known_is_one_table() {
    let (signed, unsigned) = (|n| Signer::Key(key(n)), Signer::Unsigned);
    let (nobody, one, two) = (None, Some(publisher(&[1], None)), Some(publisher(&[1, 2], None)));
    let (pinned, pinned_of_two) = (Some(publisher(&[1], Some(1))), Some(publisher(&[1, 2], Some(2))));
    // Known keys, signer, standing; then whether it is admitted: with nothing, its signer, or another signer accepted.
    let table = [
        (&nobody, signed(1), "new", [true, true, true]),
        (&nobody, unsigned, "unsigned", [true, true, true]),
        (&one, signed(1), "known", [true, true, true]),
        (&one, signed(2), "changed", [false, true, false]),
        (&one, unsigned, "signature-missing", [false, true, false]),
        (&two, signed(2), "known", [true, true, true]),
        (&two, signed(3), "changed", [false, true, false]),
        (&pinned, signed(1), "known", [true, true, true]),
        (&pinned, signed(2), "pin-mismatch", [false, false, false]),
        (&pinned, unsigned, "pin-mismatch", [false, false, false]),
        (&pinned_of_two, signed(2), "known", [true, true, true]),
        (&pinned_of_two, signed(1), "pin-mismatch", [false, false, false]),
    ];
    for (known, signer, word, passes) in table {
        let status = SignerStatus::of(known.as_ref(), &signer);
        assert_eq!(status.as_str(), word, "{known:?} {signer}");
        let verdict = SignerVerdict { publisher: "lab".to_owned(), signer, status };
        let other = if signer == signed(9) { unsigned } else { signed(9) };
        let admitted =
            [None, Some(&signer), Some(&other)].map(|accepted| verdict.accept_key(accepted).is_ok());
        assert_eq!(admitted, passes, "{known:?} {signer}");
        assert_eq!(verdict.is_alarm(), !passes[0]);
    }
}

// Rows: H10
#[test]
fn a_key_that_is_demanded_must_have_signed_whatever_is_known() {
    for (known, signer, holds) in [
        (None, Signer::Key(key(1)), true),
        (None, Signer::Key(key(2)), false),
        (None, Signer::Unsigned, false),
        (Some(publisher(&[2], None)), Signer::Key(key(2)), false),
        (Some(publisher(&[2], None)), Signer::Key(key(1)), true),
    ] {
        let status = SignerStatus::of(known.as_ref(), &signer);
        let verdict = SignerVerdict { publisher: "lab".to_owned(), signer, status };
        assert_eq!(verdict.require_key(key(1)).is_ok(), holds, "{verdict:?}");
    }
}

// Rows: H10
#[test]
fn keys_and_ids_have_one_spelling() {
    let good = format!("ed25519:{}", "0a".repeat(32));
    assert_eq!(good.parse::<PublisherKey>().unwrap().to_string(), good);
    assert_eq!(good.parse::<Signer>().unwrap().to_string(), good);
    assert_eq!("unsigned".parse::<Signer>().unwrap(), Signer::Unsigned);
    let short = &good[..70];
    for bad in ["", "none", "Unsigned", "0a", short, &good.to_uppercase(), &format!("{good} "), &good[8..]] {
        assert!(bad.parse::<PublisherKey>().is_err() && bad.parse::<Signer>().is_err(), "{bad:?}");
    }
    let (_folder, store) = store();
    // Capital letters, look-alikes from other scripts and escapes: no manifest can carry them, so nothing is kept of them.
    for id in
        ["", "Lab", "l\u{430}b", "lab\u{200b}", "lab\n", "\u{1b}[2J", "a..b", ".lab", "a/b", &"a".repeat(129)]
    {
        assert!(matches!(store.pin(id, Some(key(1)), NOW), Err(PublisherError::BadId(_))), "{id:?}");
    }
    assert!(store.read().unwrap().is_empty());
}

// Rows: H10
#[test]
fn first_key_is_kept_another_once_accepted_and_unsigned_never() {
    let (_folder, store) = store();
    let (first, second) = (manifest("lab", Some(1)), manifest("lab", Some(2)));
    assert_eq!(store.signer_verdict(&first).unwrap().status, SignerStatus::New);
    store.keep(&manifest("lab", None), None, NOW).unwrap();
    assert!(store.read().unwrap().is_empty(), "nobody signed");
    store.keep(&first, None, NOW).unwrap();
    store.keep(&first, None, NOW + 9).unwrap();
    let known = store.read().unwrap();
    let kept = &known["lab"].keys[0];
    assert_eq!((kept.first_seen_unix, kept.model.as_deref()), (NOW, Some("sample-model 1.0.0")));
    assert_eq!(Signer::Key(kept.key), Signer::of(&first));

    let refused = |manifest: &Manifest, accepted: Option<&Signer>| {
        matches!(store.keep(manifest, accepted, NOW), Err(PublisherError::Refused(_)))
    };
    assert!(refused(&second, None) && refused(&second, Some(&Signer::Unsigned)));
    let unsigned = manifest("lab", None);
    assert!(refused(&unsigned, None) && !refused(&unsigned, Some(&Signer::Unsigned)));
    assert_eq!(words(&store.read().unwrap()), ["lab: import"]);
    assert!(!refused(&second, Some(&Signer::of(&second))));
    assert_eq!(words(&store.read().unwrap()), ["lab: import+accepted"]);
    assert!(!refused(&first, None) && !refused(&second, None) && refused(&manifest("lab", Some(3)), None));
    assert!(refused(&unsigned, None), "it is accepted for once");
    assert_eq!(store.signer_verdict(&manifest("lab2", Some(3))).unwrap().status, SignerStatus::New);
}

// Rows: H10
#[test]
fn a_pin_holds_until_it_is_moved_or_taken_away() {
    let (_folder, store) = store();
    let (first, second) = (manifest("lab", Some(1)), manifest("lab", Some(2)));
    let (one, two) = (Signer::of(&first).key().unwrap(), Signer::of(&second).key().unwrap());
    assert!(matches!(store.pin("lab", None, NOW), Err(PublisherError::Unknown(_))));
    // Before any manifest was seen.
    store.pin("lab", Some(one), NOW).unwrap();
    let accepted = Signer::of(&second);
    assert!(matches!(store.keep(&second, Some(&accepted), NOW), Err(PublisherError::Refused(_))));
    store.keep(&first, None, NOW).unwrap();
    assert_eq!(words(&store.read().unwrap()), ["lab: pinned, pinned"]);
    store.pin("lab", Some(two), NOW).unwrap();
    assert!(store.keep(&first, None, NOW).is_err());
    store.keep(&second, None, NOW).unwrap();
    assert!(store.unpin("lab").unwrap().pinned.is_none());
    store.keep(&first, None, NOW).unwrap();
    assert!(matches!(store.pin("lab", None, NOW), Err(PublisherError::SeveralKeys { count: 2, .. })));
    assert!(matches!(store.forget("lab", Some(key(9))), Err(PublisherError::UnknownKey { .. })));
    store.pin("lab", Some(two), NOW).unwrap();
    assert_eq!(store.forget("lab", Some(two)).unwrap()[0].key, two);
    assert_eq!(words(&store.read().unwrap()), ["lab: pinned"]);
    store.pin("lab", None, NOW).unwrap();
    store.forget("lab", None).unwrap();
    assert_eq!(store.signer_verdict(&second).unwrap().status, SignerStatus::New);
    assert!(matches!(store.forget("lab", None), Err(PublisherError::Unknown(_))));
}

// Rows: H5
#[test]
fn refused_key_is_not_pinned_and_can_be_forgotten() {
    let (folder, store) = store();
    let path = folder.path().join("state").join(FILE_NAME);
    fs::create_dir(path.parent().unwrap()).unwrap();
    for bytes in minimodel_fixtures::refused_keys() {
        let _ = fs::remove_file(&path);
        let bad: PublisherKey =
            format!("ed25519:{}", minimodel_verifier::digest::hex(&bytes)).parse().unwrap();
        let error = store.pin("lab", Some(bad), NOW).unwrap_err();
        assert!(matches!(error, PublisherError::BadKey { key: named, .. } if named == bad));
        assert!(store.read().unwrap().is_empty());
        // A record that was written by hand, or by a program that did not look, names the key and pins it.
        let line = |key| {
            format!(r#"{{"key":"{key}","first_seen_unix":1,"model":null,"swarm_id":null,"by":"pinned"}}"#)
        };
        let lines = format!(
            "minimodel-publishers 0\n{{\"publisher\":\"lab\",\"pinned\":\"{bad}\",\"keys\":[{},{}]}}\n",
            line(key(1)),
            line(bad),
        );
        let sum = minimodel_verifier::digest::hex(&minimodel_verifier::sha256(lines.as_bytes()));
        fs::write(&path, format!("{lines}sha256 {sum}\n")).unwrap();
        assert_eq!(store.read().unwrap()["lab"].pinned, Some(bad));
        let gone: Vec<_> = store.forget("lab", Some(bad)).unwrap().iter().map(|record| record.key).collect();
        assert_eq!(gone, [bad]);
        let known = store.read().unwrap();
        let left: Vec<_> = known["lab"].keys.iter().map(|record| record.key).collect();
        assert_eq!((left, known["lab"].pinned), (vec![key(1)], None), "the other key stays");
    }
}

// Rows: H10
#[test]
fn no_changed_byte_lost_end_or_added_line_is_read_as_a_record() {
    let (folder, store) = store();
    store.keep(&manifest("lab", Some(1)), None, NOW).unwrap();
    let other = Signer::of(&manifest("other", Some(2))).key();
    store.pin("other", other, NOW).unwrap();
    let path = folder.path().join("state").join(FILE_NAME);
    let whole = fs::read(&path).unwrap();
    assert_eq!(store.read().unwrap().len(), 2);
    let is_damaged = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        matches!(store.read(), Err(PublisherError::Damaged { .. }))
    };
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert!(is_damaged(&changed), "byte {at}");
        assert!(is_damaged(&whole[..at]), "cut at {at}");
    }
    assert!(is_damaged(&[&whole[..], b"\n"].concat()) && is_damaged(&[&whole[..], &whole[..]].concat()));
    // A damaged record is neither overwritten nor taken for an empty one.
    assert!(store.keep(&manifest("new", Some(1)), None, NOW).is_err() && store.forget("lab", None).is_err());
    fs::write(&path, &whole).unwrap();
    assert_eq!(store.read().unwrap().len(), 2);
}

// Rows: H10
#[test]
fn record_writable_by_others_or_no_plain_file_is_refused() {
    let (folder, store) = store();
    store.keep(&manifest("lab", Some(1)), None, NOW).unwrap();
    let path = folder.path().join("state").join(FILE_NAME);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for mode in [0o620, 0o602, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(store.read(), Err(PublisherError::NotOurs { .. })), "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    if minimodel_skipped::is_root("a record of publishers that another account owns") {
        std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
        let Err(PublisherError::NotOurs { exposed, .. }) = store.read() else { panic!("not refused") };
        assert_eq!(exposed, crate::private::Exposed::Foreign { owner: 65_534, user: 0 });
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    }
    let away = path.with_extension("away");
    fs::rename(&path, &away).unwrap();
    symlink(&away, &path).unwrap();
    assert!(matches!(store.read(), Err(PublisherError::Io { .. })), "a link");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(store.read(), Err(PublisherError::Io { .. })), "a folder");
}

// Rows: H10
#[test]
fn what_is_kept_is_bounded_and_nobody_makes_room_for_another() {
    let (folder, store) = store();
    for n in 1..=MAX_KEYS as u8 {
        store.pin("lab", Some(key(n)), NOW).unwrap();
    }
    assert!(matches!(store.pin("lab", Some(key(99)), NOW), Err(PublisherError::TooManyKeys(_))));
    store.pin("lab", Some(key(1)), NOW).unwrap();
    let full = (0..MAX_PUBLISHERS).map(|n| (format!("p{n}"), publisher(&[1, 2, 3], None)));
    let path = folder.path().join("state").join(FILE_NAME);
    fs::write(&path, text::render(&full.collect())).unwrap();
    let error = store.keep(&manifest("lab", Some(1)), None, NOW).unwrap_err();
    assert!(matches!(error, PublisherError::TooMany));
    assert_eq!(store.read().unwrap().len(), MAX_PUBLISHERS);
    store.forget("p7", None).unwrap();
    store.keep(&manifest("lab", Some(1)), None, NOW).unwrap();
}

// Rows: H10
#[test]
fn one_of_many_simultaneous_keys_of_a_publisher_is_kept() {
    let (_folder, store) = store();
    let manifests: Vec<_> = (1..=8).map(|n| manifest("lab", Some(n))).collect();
    let kept = std::thread::scope(|scope| {
        let all: Vec<_> = manifests
            .iter()
            .map(|manifest| scope.spawn(|| store.keep(manifest, None, NOW).is_ok()))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).filter(|&is_kept| is_kept).count()
    });
    assert_eq!(kept, 1);
    assert_eq!(words(&store.read().unwrap()), ["lab: import"]);
    // Concurrent writers do not lose each other's keys.
    std::thread::scope(|scope| {
        for n in 0..8 {
            let store = &store;
            scope.spawn(move || store.keep(&manifest(&format!("p{n}"), Some(1)), None, NOW).unwrap());
        }
    });
    assert_eq!(store.read().unwrap().len(), 9);
}
