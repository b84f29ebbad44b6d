//! The JSON of the bodies of version 1, byte for byte; docs/openapi.json does not say which absent values are written.

use std::collections::BTreeMap;
use std::fmt::Debug;

use minimodel::consent::Action;
use minimodel::publishers::{Signer, SignerStatus, SignerVerdict};
use minimodel_companion::api::document;
use minimodel_companion::doctor::{CAUSES, name};
use minimodel_companion::model::*;
use minimodel_companion::problem::{Problem, code};
use minimodel_swarm::driver::Idle;
use serde::Serialize;
use serde::de::DeserializeOwned;

const TRANSFER: &str = concat!(
    r#"{"event":"transfer","transfer":{"id":7,"kind":"share","state":"waiting","cause":"consent-missing","#,
    r#""problem":{"code":5,"error":"no","cause":null,"hint":"agree"},"#,
    r#""question":{"needs":["serve"],"may":["publish"],"subject":[["size","1"]],"has_consents":false},"model_id":"","model_version":"","#,
    r#""publisher":{"id":"alice","key":null,"standing":"unsigned","known":[],"pinned":null},"swarm_id":"","path":"","#,
    r#""receipt":null,"entry":null,"offer":null,"publishes":false,"allow":[],"#,
    r#""limits":{"up":null,"down":null,"slots":4},"have_bytes":0,"total_bytes":0,"chunks_total":0,"#,
    r#""chunks_have":0,"chunks_in_flight":0,"missing_unheld":7,"eta_seconds":null,"received_bytes":0,"sent_bytes":0,"#,
    r#""down_rate":0,"up_rate":0,"peers":[{"peer":"p","received_bytes":0,"sent_bytes":0,"down_rate":0,"up_rate":0,"#,
    r#""rtt_ms":2.5,"have":0,"choking_us":true,"cause":"peer-slow","address":"[::1]:4433","#,
    r#""share":0.5,"choked_by_us":false,"blamed":true,"found":"came","introduced_by":null,"over":"direct"}],"reach":null,"run_seconds":0.0,"#,
    r#""idle_seconds":{"no-source":1.5},"created_utc":"","is_new":false}}"#,
);

fn transfer() -> Event {
    let question = Question {
        needs: vec![Action::Serve],
        may: vec![Action::Publish],
        subject: vec![("size".into(), "1".into())],
        has_consents: false,
    };
    let transfer = Transfer {
        id: 7,
        kind: Kind::Share,
        state: State::Waiting,
        cause: Some(Cause::ConsentMissing),
        problem: Some(Problem::new(code::CONSENT, "no", "agree")),
        question: Some(question),
        publisher: Some(SignerVerdict {
            publisher: "alice".into(),
            signer: Signer::Unsigned,
            status: SignerStatus::Unsigned,
        }),
        limits: TransferLimits { slots: Some(4), ..TransferLimits::default() },
        peers: vec![Peer {
            peer: "p".into(),
            rtt_ms: 2.5,
            choking_us: true,
            cause: Some(Cause::PeerSlow),
            address: "[::1]:4433".into(),
            share: 0.5,
            blamed: true,
            ..Peer::default()
        }],
        missing_unheld: Some(7),
        idle_seconds: BTreeMap::from([(Cause::NoSource, 1.5)]),
        ..Transfer::default()
    };
    Event::Transfer { transfer: Box::new(transfer) }
}

#[track_caller]
fn is<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, text: &str) {
    assert_eq!(serde_json::to_string(value).unwrap(), text);
    assert_eq!(serde_json::from_str::<T>(text).unwrap(), *value);
}

#[test]
fn every_form_of_a_body_is_as_in_version_1() {
    is(&transfer(), TRANSFER);
    is(&Event::Removed { id: 3 }, r#"{"event":"removed","id":3}"#);
    let map = ChunkMap { chunks: 9, chunk_bytes: 4, cells: 1, have: vec![255], ..ChunkMap::default() };
    is(
        &Event::Chunks { id: 3, map: Box::new(map) },
        concat!(
            r#"{"event":"chunks","id":3,"map":{"chunks":9,"chunk_bytes":4,"cells":1,"have":"/w==","#,
            r#""in_flight":"","least_holders":""}}"#
        ),
    );
    is(&Event::Resync, r#"{"event":"resync"}"#);
    is(&Activation::default(), "{}");
    let consent = r#"{"actions":["fetch"],"by":"api","expires_unix":null,"quota_bytes":null}"#;
    let given = Consent {
        actions: vec![Action::Fetch],
        by: "api".into(),
        expires_unix: None,
        quota_bytes: None,
        accept_publisher_key: None,
    };
    is(&given, consent);
    is(
        &NewShare { entry: Some(1), consent: Some(given), ..NewShare::default() },
        &format!(
            r#"{{"entry":1,"manifest":null,"path":null,"offers":[],"endpoint":{{"listen":null,"advertise":[]}},"limits":{},"allow":[],"consent":{consent}}}"#,
            r#"{"up":null,"down":null,"slots":null}"#
        ),
    );
    is(
        &Limits { schedule: vec![Window::default()], ..Limits::default() },
        concat!(
            r#"{"up":null,"down":null,"slots":null,"peer_day_bytes":null,"schedule":[{"from":0,"to":0,"up":null,"down":null,"#,
            r#""paused":false}],"cache_bytes":null,"storage_bytes":null}"#
        ),
    );
}

#[test]
fn a_publisher_that_cannot_be_read_is_left_out_of_a_transfer() {
    let unknown = TRANSFER.replace(r#""key":null"#, r#""key":"rsa:1""#);
    assert_ne!(unknown, TRANSFER);
    let Event::Transfer { transfer } = serde_json::from_str(&unknown).unwrap() else { panic!("{unknown}") };
    assert_eq!((transfer.id, transfer.publisher), (7, None));
}

#[test]
fn a_cause_has_one_name_in_document_json_terminal_and_library() {
    let document = serde_json::to_value(document()).unwrap();
    let names = CAUSES.map(|cause| serde_json::to_value(cause).unwrap());
    assert_eq!(document["components"]["schemas"]["Cause"]["enum"], serde_json::json!(names));
    assert_eq!(names, CAUSES.map(name));
    for idle in Idle::ALL {
        assert_eq!(name(Cause::from(idle)), idle.as_str());
    }
}
