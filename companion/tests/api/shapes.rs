//! The validation of requests (`model::validate`), and that the interface applies it.

use ed25519_dalek::SigningKey;
use minimodel::consent::{Action, NewGrant};
use minimodel_companion::api::types;
use minimodel_companion::model::validate;
use minimodel_companion::model::*;
use minimodel_companion::problem::code;
use minimodel_wire::{Offer, PeerId, SignedOffer};

use crate::running::{Running, problem, status};

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn peer() -> String {
    PeerId(key().verifying_key().to_bytes()).to_string()
}

pub(crate) fn offers() -> Vec<String> {
    let offer = |port| Offer {
        peer: PeerId(key().verifying_key().to_bytes()),
        swarm_id: [1; 32],
        addresses: vec![std::net::SocketAddr::from(([127, 0, 0, 1], port))],
        expires_unix: 2_000_000_000,
    };
    [4000, 4001].map(|port| SignedOffer::sign(offer(port), &key()).unwrap().to_string()).to_vec()
}

fn fetch(offer: &str) -> NewFetch {
    NewFetch { offers: vec![offer.to_owned()], ..NewFetch::default() }
}

const ELSEWHERE: [&str; 16] = [
    "http://example.org/model.slm",
    "https://project.example/models/m.slm",
    "HTTPS://EXAMPLE.ORG",
    "https:example.org",
    "//example.org/m",
    "ftp://h/m",
    "file:///tmp/m.slm",
    "/tmp/m.slm",
    "./m.slm",
    "../m.slm",
    "~m.slm",
    "C:\\m.slm",
    "magnet:?xt=urn:btih:0",
    "data:application/octet-stream;base64,AA",
    "www.example.org",
    "mm1/../../tmp/m.slm",
];

#[test]
fn web_address_or_path_as_a_source_is_refused() {
    for text in ELSEWHERE {
        let refused = validate::fetch(&fetch(text)).unwrap_err();
        assert_eq!(refused.code, code::INVALID, "{text}");
        assert!(refused.cause.as_deref().unwrap().contains("from peers alone"), "{text}: {refused:?}");
    }
    for offer in offers() {
        assert_eq!(validate::fetch(&fetch(&offer)), Ok(()));
        // A good offer does not make a bad one acceptable.
        let mixed = NewFetch { offers: vec![offer, ELSEWHERE[0].into()], ..NewFetch::default() };
        assert_eq!(validate::fetch(&mixed).unwrap_err().code, code::INVALID);
    }
}

#[test]
fn api_refuses_web_sources_before_they_reach_the_service() {
    let running = Running::new();
    for text in ELSEWHERE {
        let body = serde_json::json!({ "offers": [text] }).to_string();
        let answer = running.change("POST /v1/fetches", &body);
        assert_eq!(status(&answer), 422, "{answer}");
        assert_eq!(problem(&answer).code, code::INVALID);
    }
    // No other field takes a source either.
    for field in ["url", "urls", "source", "sources", "web_seeds", "server"] {
        let body = serde_json::json!({ "offers": offers(), field: "https://example.org/m.slm" }).to_string();
        assert_eq!(status(&running.change("POST /v1/fetches", &body)), 422, "{field}");
    }
    assert!(running.memory.state().fetches.is_empty());
    let body = serde_json::json!({ "offers": offers() }).to_string();
    assert_eq!(status(&running.change("POST /v1/fetches", &body)), 201);
}

#[test]
fn what_is_no_offer_is_refused_and_shown_harmless() {
    let good = offers().remove(0);
    let broken = [
        String::new(),
        "mm1".into(),
        "mm2abc".into(),
        good[..good.len() - 1].into(),
        format!("{good}a"),
        format!("{good}\n"),
        good.to_uppercase(),
        format!("\u{1b}[2J\u{202e}{}", "x".repeat(5_000)),
    ];
    for text in broken {
        let refused = validate::fetch(&fetch(&text)).unwrap_err();
        assert_eq!(refused.code, code::INVALID, "{text}");
        assert!(refused.error.len() < 300 && refused.error.is_ascii(), "{}", refused.error);
        assert!(!refused.error.contains('\u{1b}'), "{}", refused.error);
    }
    assert_eq!(validate::fetch(&NewFetch::default()).unwrap_err().code, code::USAGE);
    let many = NewFetch { offers: vec![good; validate::MAX_OFFERS + 1], ..NewFetch::default() };
    assert_eq!(validate::fetch(&many).unwrap_err().code, code::USAGE);
}

#[test]
fn paths_are_absolute_and_peers_and_models_are_ids() {
    let good = fetch(&offers()[0]);
    let long = format!("/{}", "ü".repeat(4_096));
    for path in ["", "a", "./a", "../a", "~/a", "file:///a", "/a\0b", &long] {
        for bad in [
            NewFetch { out: Some(path.into()), ..good.clone() },
            NewFetch { receipt: Some(path.into()), ..good.clone() },
        ] {
            assert_eq!(validate::fetch(&bad).unwrap_err().code, code::USAGE, "{path:?}");
        }
        let share = NewShare { manifest: Some("m".into()), path: Some(path.into()), ..NewShare::default() };
        assert_eq!(validate::share(&share).unwrap_err().code, code::USAGE, "{path:?}");
        let entry = NewEntry { manifest: "m".into(), path: Some(path.into()), ..NewEntry::default() };
        assert_eq!(validate::entry(&entry).unwrap_err().code, code::USAGE, "{path:?}");
    }
    let longest = NewFetch { out: Some(long.chars().take(4_096).collect::<String>().into()), ..good.clone() };
    assert_eq!(validate::fetch(&longest), Ok(()));
    let out = NewFetch { out: Some("/a b/ü".into()), allow: vec![peer()], ..good.clone() };
    assert_eq!(validate::fetch(&out), Ok(()));
    let grant = |model: Option<&str>, peer: Option<&str>| NewGrant {
        actions: vec![Action::Serve],
        by: "flag".into(),
        expires_unix: None,
        quota_bytes: None,
        model: model.map(str::to_owned),
        peer: peer.map(str::to_owned),
    };
    for text in ["", "a", "*", &peer().to_uppercase(), &peer()[1..]] {
        let bad = NewFetch { allow: vec![peer(), text.to_owned()], ..good.clone() };
        assert_eq!(validate::fetch(&bad).unwrap_err().code, code::INVALID, "{text}");
        assert_eq!(validate::grant(&grant(None, Some(text))).unwrap_err().code, code::INVALID, "{text}");
        assert_eq!(validate::grant(&grant(Some(text), None)).unwrap_err().code, code::INVALID, "{text}");
    }
    assert_eq!(validate::grant(&grant(Some(&"0f".repeat(32)), Some(&peer()))), Ok(()));
    assert_eq!(validate::grant(&grant(Some(&"0F".repeat(32)), None)).unwrap_err().code, code::INVALID);
}

#[test]
fn an_offer_names_eight_addresses_at_most() {
    let advertising = |count| Endpoint { listen: None, advertise: vec![([203, 0, 113, 1], 1).into(); count] };
    for (count, code) in [(8, None), (9, Some(code::USAGE))] {
        let fetch = NewFetch { endpoint: advertising(count), ..fetch(&offers()[0]) };
        assert_eq!(validate::fetch(&fetch).err().map(|problem| problem.code), code);
        let share = NewShare { entry: Some(1), endpoint: advertising(count), ..NewShare::default() };
        assert_eq!(validate::share(&share).err().map(|problem| problem.code), code);
    }
}

#[test]
fn share_names_either_an_entry_or_both_a_manifest_and_a_file() {
    for bits in 0..8 {
        let share = NewShare {
            entry: (bits & 1 != 0).then_some(1),
            manifest: (bits & 2 != 0).then(|| "m".to_owned()),
            path: (bits & 4 != 0).then(|| "/a".into()),
            ..NewShare::default()
        };
        assert_eq!(validate::share(&share).is_ok(), bits == 1 || bits == 6, "{share:?}");
    }
}

#[test]
fn a_consent_says_to_what_and_how_in_a_plain_word() {
    let consent = |actions: &[Action], by: &str| Consent {
        actions: actions.to_vec(),
        by: by.to_owned(),
        expires_unix: None,
        quota_bytes: None,
        accept_publisher_key: None,
    };
    assert_eq!(validate::consent(&consent(&[Action::Serve], "api")), Ok(()));
    assert_eq!(validate::consent(&consent(&[], "api")).unwrap_err().code, code::USAGE);
    for by in ["", "A", "a b", "a\n", "ü", &"a".repeat(33)] {
        assert_eq!(
            validate::consent(&consent(&[Action::Serve], by)).unwrap_err().code,
            code::INVALID,
            "{by:?}"
        );
    }
}

// Rows: H10
#[test]
fn a_publishers_key_is_whole_and_accepted_with_a_transfer_alone() {
    let consent = |key: &str| Consent {
        actions: Vec::new(),
        by: "api".into(),
        expires_unix: None,
        quota_bytes: None,
        accept_publisher_key: Some(key.to_owned()),
    };
    let key = format!("ed25519:{}", "0a".repeat(32));
    for good in [key.as_str(), "unsigned"] {
        assert_eq!(validate::consent(&consent(good)), Ok(()));
        let grant = types::NewGrant { consent: consent(good), model: None, peer: None };
        assert_eq!(NewGrant::try_from(grant).unwrap_err().code, code::USAGE);
    }
    let fetch =
        |key: &str| NewFetch { offers: offers(), publisher_key: Some(key.to_owned()), ..NewFetch::default() };
    assert_eq!(validate::fetch(&fetch(&key)), Ok(()));
    for bad in ["", "none", "ed25519:0a", &key.to_uppercase(), &format!("{key} ")] {
        assert_eq!(validate::consent(&consent(bad)).unwrap_err().code, code::INVALID, "{bad:?}");
        assert_eq!(validate::fetch(&fetch(bad)).unwrap_err().code, code::INVALID, "{bad:?}");
    }
    assert_eq!(validate::fetch(&fetch("unsigned")).unwrap_err().code, code::INVALID);
}
