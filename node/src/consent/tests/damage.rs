//! Any change to the bytes of a completely written log is found and reported with its line.

use proptest::prelude::*;
use proptest::sample::Index;

use super::{FOREIGN, NOW, build, given, kinds, peer, swarm};
use crate::consent::Action;
use crate::consent::chain::{Chain, Fault, read};
use crate::consent::line::{Granted, Kind, LineError, Revoked};

const PAGE: &str = include_str!("../../../../docs/consent.md");

fn lines(log: &[u8]) -> Vec<Vec<u8>> {
    log.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_log_as_it_is_written_holds(kinds in kinds()) {
        let built = build(&kinds);
        let chain = read(&built.log, Some(built.head.as_bytes())).unwrap();
        prop_assert_eq!(chain.lines.iter().map(|line| line.kind.clone()).collect::<Vec<_>>(), kinds);
        prop_assert_eq!((chain.torn, chain.is_ahead, chain.len), (0, false, built.log.len() as u64));
        prop_assert!(built.log.iter().all(|&byte| byte == b'\n' || matches!(byte, b' '..=b'~')));
        prop_assert!(chain.verdict().ok && built.head.contains(&chain.hash));
    }

    #[test]
    fn any_byte_that_is_changed_is_found(
        kinds in kinds(), at in any::<Index>(), by in 1_u8..=255, in_head in any::<bool>(),
    ) {
        let mut built = build(&kinds);
        let mut head = built.head.into_bytes();
        let bytes = if in_head { &mut head } else { &mut built.log };
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        let broken = read(&built.log, Some(&head));
        prop_assert!(broken.is_err(), "byte {} by {}: {:?}", at, by, broken);
    }

    #[test]
    fn any_byte_that_is_removed_or_put_between_is_found(
        kinds in kinds(), at in any::<Index>(), byte in any::<u8>(), removes in any::<bool>(),
    ) {
        let built = build(&kinds);
        let mut log = built.log.clone();
        let at = at.index(log.len());
        if removes { log.remove(at); } else { log.insert(at, byte); }
        let read = read(&log, Some(built.head.as_bytes()));
        prop_assert!(read.is_err(), "{} at {}: {:?}", byte, at, read);
    }

    #[test]
    fn a_line_that_is_removed_swapped_doubled_or_inserted_is_found(
        kinds in kinds(), one in any::<Index>(), other in any::<Index>(), how in 0..5,
    ) {
        let built = build(&kinds);
        let mut lines = lines(&built.log);
        let (one, other) = (one.index(lines.len()), other.index(lines.len()));
        match how {
            0 => { lines.remove(one); }
            1 => lines.swap(one, other),
            2 => { let line = lines[one].clone(); lines.insert(other, line); }
            3 => lines.insert(one, FOREIGN.as_bytes().to_vec()),
            _ => lines.insert(one, b"{\"version\":1,\"number\":1}\n".to_vec()),
        }
        let changed = lines.concat();
        prop_assume!(changed != built.log);
        prop_assert!(read(&changed, Some(built.head.as_bytes())).is_err());
        // Also for a line at the end.
        let more = [&built.log[..], FOREIGN.as_bytes()].concat();
        prop_assert!(read(&more, Some(built.head.as_bytes())).is_err());
    }

    #[test]
    fn a_cut_anywhere_is_found(kinds in kinds(), at in any::<Index>()) {
        let built = build(&kinds);
        let cut = &built.log[..at.index(built.log.len())];
        let fault = read(cut, Some(built.head.as_bytes())).unwrap_err().fault;
        let is_cut = matches!(fault, Fault::Cut { .. });
        prop_assert!(is_cut, "{}", fault);
    }

    #[test]
    fn lines_of_another_log_or_with_another_head_are_found(kinds in kinds(), at in any::<Index>()) {
        let built = build(&kinds);
        // Another first line, and the same lines after it.
        let first = Kind::Revoke(Revoked { grant: 99, by: "flag".to_owned() });
        let other = build(&[&[first], &kinds[..]].concat());
        prop_assert!(read(&other.log, Some(built.head.as_bytes())).is_err());
        prop_assert!(read(&built.log, Some(other.head.as_bytes())).is_err());
        // An earlier head: one line after it may be a crash, more may not.
        let kept = at.index(kinds.len());
        let earlier = build(&kinds[..kept]);
        let head = (kept > 0).then_some(earlier.head.as_bytes());
        prop_assert_eq!(read(&built.log, head).is_ok(), kept > 0 && kept + 1 == kinds.len());
    }

    #[test]
    fn bytes_that_are_no_log_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), head in ".{0,40}") {
        let opened = [crate::consent::line::OPENING, &bytes[..]].concat();
        for log in [&bytes, &opened] {
            let _ = read(log, Some(head.as_bytes()));
            let _ = read(log, None);
        }
    }
}

#[test]
fn the_verdict_names_the_line_at_fault() {
    let kinds =
        [Kind::Given(given()), Kind::Given(given()), Kind::Revoke(Revoked { grant: 1, by: "api".into() })];
    let built = build(&kinds);
    let head = Some(built.head.as_bytes());
    let text = String::from_utf8(built.log.clone()).unwrap();
    let broken = |log: &str| read(log.as_bytes(), head).unwrap_err();
    let edited = broken(&text.replacen("\"number\":2,", "\"number\":3,", 1));
    assert_eq!(edited.fault, Fault::Line { line: 2, why: LineError::Hash });
    let verdict = edited.verdict();
    assert_eq!((verdict.ok, verdict.entries), (false, 1));
    assert!(verdict.fault.unwrap().contains("line 2"));
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.remove(1);
    assert_eq!(broken(&lines.concat()).fault, Fault::Number { line: 2, found: 3, expected: 2 });
    lines.pop();
    assert_eq!(broken(&lines.concat()).fault, Fault::Cut { line: 1, found: 1, expected: 3 });
    assert_eq!(broken("").fault, Fault::Cut { line: 0, found: 0, expected: 3 });
    // The first line of another log of the same length.
    let other = build(&[Kind::Revoke(Revoked { grant: 1, by: "api".into() })]);
    let mixed = [&other.log[..], &built.log[lines[0].len()..]].concat();
    assert_eq!(read(&mixed, head).unwrap_err().fault, Fault::Link { line: 2 });
    assert_eq!(read(&built.log, Some(b"")).unwrap_err().fault, Fault::NoHead);
    assert_eq!(read(&built.log, None).unwrap_err().fault, Fault::Ahead { line: 3, found: 3, expected: 0 });
}

#[test]
fn a_line_with_a_right_hash_and_another_form_is_found() {
    use minimodel_verifier::{digest::hex, sha256};
    let built = build(&[Kind::Given(given())]);
    let text = String::from_utf8(built.log).unwrap();
    let body = text.split_once(",\"hash\"").unwrap().0;
    let sealed = |body: &str| {
        let hash = hex(&sha256(format!("{body}}}").as_bytes()));
        format!("{body},\"hash\":\"{hash}\"}}\n")
    };
    assert_eq!(sealed(body), text);
    for other in [
        body.replace("\"number\":1", "\"number\": 1"),
        body.replace("\"number\":1", "\"number\":1,\"more\":1"),
        body.replace("\"kind\":\"given\"", "\"kind\":\"all\""),
        body.replace("\"fetch\",\"import\"", "\"everything\""),
        format!("{body},\"by\":\"flag\""),
    ] {
        assert_ne!(other, body);
        let fault = read(sealed(&other).as_bytes(), None).unwrap_err().fault;
        assert_eq!(fault, Fault::Line { line: 1, why: LineError::Form }, "{other}");
    }
}

// Rows: G6
#[test]
fn log_of_another_version_is_damage_whether_whole_or_cut() {
    assert!(read(b"", None).unwrap().verdict().ok);
    for foreign in [FOREIGN, FOREIGN.trim_end(), &FOREIGN[..40], "{\"version\":0,\"time\"", "\n"] {
        let broken = read(foreign.as_bytes(), None).unwrap_err();
        assert!(matches!(broken.fault, Fault::Line { line: 1, .. }), "{foreign}: {:?}", broken.fault);
        assert!(!broken.verdict().ok);
    }
}

#[test]
fn the_page_shows_the_bytes_of_a_log() {
    let kinds = [
        Kind::Given(given()),
        Kind::Grant(Granted {
            action: Action::Serve,
            model: Some(swarm(0x53)),
            peer: Some(peer(7)),
            expires_unix: Some(NOW + 86_400),
            quota_bytes: Some(1 << 30),
            by: "prompt".to_owned(),
        }),
        Kind::Revoke(Revoked { grant: 2, by: "flag".to_owned() }),
    ];
    let built = build(&kinds);
    let log = String::from_utf8(built.log).unwrap();
    assert!(PAGE.contains(&format!("```\n{log}```\n")), "docs/consent.md must show\n{log}");
    assert!(PAGE.contains(&format!("```\n{}```\n", built.head)), "docs/consent.md must show\n{}", built.head);
    let block = PAGE.split("```\n").find(|block| block.starts_with("{\"version\":1,\"number\":1,")).unwrap();
    let chain: Chain = read(block.as_bytes(), Some(built.head.as_bytes())).unwrap();
    assert_eq!(chain.lines.len(), 3);
}
