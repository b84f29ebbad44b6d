//! A transfer in which every field has a value whose loss a test would see.

use std::collections::BTreeMap;

use minimodel::consent::Action;
use minimodel::publishers::{KeyOrigin, KeyRecord, PublisherKey, Signer, SignerStatus, SignerVerdict};
use minimodel_companion::Problem;
use minimodel_companion::model::*;
use minimodel_companion::problem::code;

/// Makes the transfer.
pub(crate) fn example(id: u64, kind: Kind, state: State) -> Transfer {
    let peer = Peer {
        peer: "a\u{202e}\"<script>\n".into(),
        received_bytes: u64::MAX,
        sent_bytes: 2,
        down_rate: 3,
        up_rate: 4,
        rtt_ms: 0.25,
        have: u32::MAX,
        choking_us: true,
        cause: Some(Cause::PeerSlow),
        address: "[2001:db8::1]:4433".into(),
        share: 0.75,
        choked_by_us: true,
        blamed: true,
        way: PeerWay {
            found: FoundBy::Introduced,
            introduced_by: Some("aa".into()),
            over: GoesOver::Punched,
        },
    };
    Transfer {
        id,
        kind,
        state,
        cause: Some(Cause::ConsentMissing),
        problem: Some(Problem::new(code::STOPPED, "ein Fehler: ü", "go on").because("nothing")),
        question: Some(Question {
            needs: vec![Action::Fetch],
            may: vec![Action::Cache],
            subject: vec![("publisher".into(), "\u{1b}[31m".into())],
            has_consents: true,
        }),
        model_id: "a-model".into(),
        model_version: "1".into(),
        publisher: Some(publisher()),
        swarm_id: "ab".repeat(32),
        path: "/tmp/a b".into(),
        receipt: Some("/tmp/r".into()),
        entry: Some(9),
        offer: Some("mm1x".into()),
        publishes: true,
        allow: vec!["p".into()],
        limits: TransferLimits { up: Some(1), down: None, slots: Some(3) },
        have_bytes: 10,
        total_bytes: 20,
        chunks_total: 21,
        chunks_have: 12,
        chunks_in_flight: 13,
        missing_unheld: Some(14),
        eta_seconds: Some(u64::MAX),
        received_bytes: 30,
        sent_bytes: 40,
        down_rate: 50,
        up_rate: 60,
        peers: vec![peer],
        reach: Some(reach()),
        run_seconds: 4.5,
        idle_seconds: BTreeMap::from([(Cause::NoSource, 1.5), (Cause::RateLimit, 0.25)]),
        created_utc: "2026-11-21T00:00:00Z".into(),
        is_new: false,
    }
}

fn reach() -> Reach {
    let visit = Visit { peer: "p".into(), from: "9.9.9.9:1".into(), at_utc: "2026-11-21T00:00:00Z".into() };
    let address = Some("[2001:db8::7]:4433".into());
    Reach {
        ipv4: FamilyReach { translation: Translation::Varies, address: None, visit: Some(visit) },
        ipv6: FamilyReach { translation: Translation::Same, address, visit: None },
        mapping: MappingReach {
            stand: MappingStand::Mapped,
            external: Some("8.8.4.4:4433".into()),
            by: Some("PCP".into()),
            why: Some("w".into()),
        },
        lan: WayReach { stand: WayStand::On, found: 3, unproved: 4, why: None },
        dht: WayReach { stand: WayStand::Failed, found: 0, unproved: 1, why: Some("no node".into()) },
    }
}

pub(crate) fn publisher() -> SignerVerdict {
    let key: PublisherKey = format!("ed25519:{}", "0a".repeat(32)).parse().unwrap();
    let known = KeyRecord {
        key,
        first_seen_unix: u64::MAX,
        model: Some("a 1".into()),
        swarm_id: None,
        origin: KeyOrigin::Pinned,
    };
    SignerVerdict {
        publisher: "me".into(),
        signer: Signer::Key(key),
        status: SignerStatus::Known { key: known, is_pinned: true },
    }
}
