//! The JSON of `import-peer-request`.

use minimodel_verifier::receipt::ConsentAction;
use minimodel_verifier::request::{MAX_REQUEST_OFFERS, PeerRequest, REQUEST_KIND};
use minimodel_wire::SignedOffer;

use crate::samples;

/// The data is the JSON of a request, which is checked against a manifest.
///
/// # Panics
/// When unknown fields are accepted, a request that disagrees with the manifest passes, or an error message could control a
/// terminal.
pub fn request(data: &[u8]) {
    let request = match PeerRequest::parse(data) {
        Ok(request) => request,
        Err(error) => {
            let told = error.to_string();
            assert!(told.bytes().all(|byte| matches!(byte, b' '..=b'~')) && told.len() < 2_000, "{told:?}");
            return;
        }
    };
    let json: serde_json::Value = serde_json::from_slice(data).expect("it was read as JSON before");
    assert_eq!(json.as_object().map(serde_json::Map::len), Some(7), "exactly the fields of a request");
    let manifest = samples::manifest();
    let faults = request.check(manifest);
    assert!(faults.len() <= 6, "{} faults", faults.len());
    if faults.is_empty() {
        assert_eq!((request.request_version, request.kind.as_str()), (0, REQUEST_KIND));
        assert_eq!(
            (request.model_id.as_str(), request.byte_count),
            (manifest.model_id(), manifest.byte_count())
        );
        assert!((1..=MAX_REQUEST_OFFERS).contains(&request.offers.len()));
    }
    for offer in request.offers.iter().take(MAX_REQUEST_OFFERS) {
        if let Ok(signed) = offer.parse::<SignedOffer>() {
            assert_eq!(&signed.to_string(), offer);
        }
    }
    let actions = request.consent.iter().filter_map(|word| ConsentAction::from_word(word));
    assert!(actions.zip(&request.consent).all(|(action, _)| ConsentAction::ALL.contains(&action)));
}
