//! A request compared with its manifest: each disagreement by itself, and all of them in the order of the fields.

use minimodel_verifier::digest::tagged;
use minimodel_verifier::request::{
    MAX_REQUEST_BYTES, MAX_REQUEST_OFFERS, PeerRequest, REQUEST_KIND, REQUEST_VERSION, RequestFault,
};

use crate::manifest_inputs::signed;

fn good() -> PeerRequest {
    let manifest = signed();
    PeerRequest {
        request_version: REQUEST_VERSION,
        kind: REQUEST_KIND.to_owned(),
        model_id: manifest.model_id().to_owned(),
        byte_count: manifest.byte_count(),
        artifact_sha256: tagged(manifest.artifact_sha256()),
        offers: vec!["an offer".to_owned()],
        consent: Vec::new(),
    }
}

#[track_caller]
fn fault(change: impl FnOnce(&mut PeerRequest), fault: RequestFault) {
    let mut request = good();
    change(&mut request);
    assert_eq!(request.check(&signed()), [fault]);
}

#[test]
fn a_request_that_agrees_has_no_fault() {
    let mut request = good();
    assert_eq!(request.check(&signed()), []);
    request.offers = vec!["an offer".to_owned(); MAX_REQUEST_OFFERS];
    assert_eq!(request.check(&signed()), []);
    assert_eq!(MAX_REQUEST_BYTES, 262_144);
}

#[test]
fn each_disagreement_is_told_with_both_values() {
    let manifest = signed();
    fault(|request| request.request_version = 1, RequestFault::Version { found: 1 });
    fault(|request| request.kind = "other".into(), RequestFault::Kind { found: "other".into() });
    let named = manifest.model_id().to_owned();
    fault(
        |request| request.model_id = "other".into(),
        RequestFault::ModelId { asked: "other".into(), named },
    );
    let named = manifest.byte_count();
    fault(|request| request.byte_count = 1, RequestFault::ByteCount { asked: 1, named });
    let named = *manifest.artifact_sha256();
    for (asked, is_spelled) in [(tagged(&[7; 32]), true), (tagged(&named).to_lowercase(), false)] {
        let expected = RequestFault::ArtifactSha256 { asked: asked.clone(), is_spelled, named };
        fault(|request| request.artifact_sha256 = asked, expected);
    }
    for found in [0, MAX_REQUEST_OFFERS + 1] {
        let offers = vec!["an offer".to_owned(); found];
        fault(|request| request.offers = offers, RequestFault::OfferCount { found });
    }
}

#[test]
fn all_disagreements_are_told_in_the_order_of_the_fields() {
    let mut request = PeerRequest { request_version: 9, byte_count: 9, ..good() };
    request.offers.clear();
    let faults = request.check(&signed());
    assert!(
        matches!(
            faults[..],
            [RequestFault::Version { .. }, RequestFault::ByteCount { .. }, RequestFault::OfferCount { .. }]
        ),
        "{faults:?}"
    );
}
