//! The request of `import-peer-request`: JSON that names what to fetch, from whom, and under which consent.
//!
//! The MiniModel documentation names the command; the fields and their version are ours, described in `docs/cli.md`.
//! A request can only agree with a manifest: each disagreement is told, and nothing is dialed before there is none.

use std::path::Path;

use minimodel_verifier::Manifest;
use minimodel_verifier::digest::{parse_tagged, tagged};
use minimodel_wire::SignedOffer;
use serde::Deserialize;

use crate::args::OfferArg;
use crate::consent::ConsentFlag;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{input, offer};

/// Longest request: room for the offers of a whole swarm.
const MAX_REQUEST_BYTES: usize = 256 * 1024;

/// Most offers in one request.
const MAX_OFFERS: usize = 64;

const VERSION: u64 = 0;
const KIND: &str = "minimodel.import-peer-request";

/// The file as it stands. Every field is required, and no other is allowed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestText {
    request_version: u64,
    kind: String,
    model_id: String,
    byte_count: u64,
    artifact_sha256: String,
    offers: Vec<String>,
    consent: Vec<String>,
}

/// A request that agrees with its manifest.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Whom to fetch from; signatures checked, one swarm, at least one.
    pub(crate) offers: Vec<SignedOffer>,
    /// What the request consents to; [`crate::consent::obtain`] decides whether that is enough.
    pub(crate) consent: ConsentFlag,
}

/// Reads a request and holds it against `manifest`.
pub(crate) fn read(path: &Path, manifest: &Manifest) -> Result<Request, Failure> {
    check(&text(path)?, manifest).map_err(|faults| invalid(path, &faults))
}

/// What a request says, label and escaped value, whether or not it agrees with anything.
pub(crate) fn summary(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let text = text(path)?;
    let shown = |text: &str| escape::shown(text).to_string();
    let lines = [
        ("version", text.request_version.to_string()),
        ("kind of request", shown(&text.kind)),
        ("model", shown(&text.model_id)),
        ("byte count", text.byte_count.to_string()),
        ("artifact", shown(&text.artifact_sha256)),
        ("offers", text.offers.len().to_string()),
        ("consent", shown(&text.consent.join(","))),
    ];
    Ok(lines.map(|(label, value)| (label.to_owned(), value)).to_vec())
}

fn text(path: &Path) -> Result<RequestText, Failure> {
    let bytes = input::read_small("request", path, MAX_REQUEST_BYTES)?;
    if bytes.len() > MAX_REQUEST_BYTES {
        return Err(invalid(path, &[format!("it is longer than {MAX_REQUEST_BYTES} bytes")]));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| invalid(path, &[escape::shown(&error.to_string()).to_string()]))
}

/// All that is wrong, each with both values.
fn check(text: &RequestText, manifest: &Manifest) -> Result<Request, Vec<String>> {
    let mut faults = Vec::new();
    if text.request_version != VERSION {
        faults.push(format!("request_version is {}, this program reads {VERSION}", text.request_version));
    }
    if text.kind != KIND {
        faults.push(format!("kind is `{}`, not `{KIND}`", escape::shown(&text.kind)));
    }
    if text.model_id != manifest.model_id() {
        let (asked, named) = (escape::shown(&text.model_id), escape::shown(manifest.model_id()));
        faults.push(format!("model_id is `{asked}`, the manifest's model.id `{named}`"));
    }
    if text.byte_count != manifest.byte_count() {
        let (asked, named) = (text.byte_count, manifest.byte_count());
        faults.push(format!("byte_count is {asked}, the manifest's artifact.byte_count {named}"));
    }
    // Compared as a value, so that a digest in another spelling is told to be misspelled, not to be another.
    let named = manifest.artifact_sha256();
    match parse_tagged(&text.artifact_sha256) {
        Some(asked) if asked == *named => {}
        asked => {
            let spelling =
                if asked.is_none() { " (it is spelled `sha256:` and 64 uppercase hex digits)" } else { "" };
            let asked = escape::shown(&text.artifact_sha256);
            let named = tagged(named);
            faults.push(format!(
                "artifact_sha256 is `{asked}`{spelling}, the manifest's artifact.sha256 `{named}`"
            ));
        }
    }
    let offers = offers(text, manifest, &mut faults);
    let consent = ConsentFlag::from_words(text.consent.iter().map(String::as_str));
    match consent {
        Ok(consent) if faults.is_empty() => return Ok(Request { offers, consent }),
        Ok(_) => {}
        Err(error) => {
            let words = text.consent.join(",");
            faults.push(format!("consent is `{}`: {error}", escape::shown(&words)));
        }
    }
    Err(faults)
}

fn offers(text: &RequestText, manifest: &Manifest, faults: &mut Vec<String>) -> Vec<SignedOffer> {
    if text.offers.is_empty() || text.offers.len() > MAX_OFFERS {
        faults.push(format!("offers has {} entries, it takes 1 to {MAX_OFFERS}", text.offers.len()));
        return Vec::new();
    }
    let mut offers = Vec::new();
    for (number, text) in text.offers.iter().enumerate() {
        let parsed = match text.parse() {
            // A request is one file; it names no others.
            Ok(OfferArg::Text(text)) => offer::parse(&text),
            Ok(OfferArg::File(_)) | Err(_) => Err(minimodel_wire::OfferError::Prefix),
        };
        match parsed {
            Ok(offer) if offer.offer().swarm_id == *manifest.swarm_id() => offers.push(offer),
            Ok(offer) => {
                let hex = |id: &[u8; 32]| data_encoding::HEXLOWER.encode(id);
                let (theirs, ours) = (hex(&offer.offer().swarm_id), hex(manifest.swarm_id()));
                faults
                    .push(format!("offers[{number}] is for swarm {theirs}, the manifest's swarm is {ours}"));
            }
            Err(error) => faults.push(format!("offers[{number}] `{}`: {error}", escape::shown(text))),
        }
    }
    offers
}

fn invalid(path: &Path, faults: &[String]) -> Failure {
    Failure::new(
        Exit::Invalid,
        format!("the request `{}` is not valid", escape::path(path)),
        "correct the request, or name the manifest that it belongs to; docs/cli.md describes each field",
    )
    .because(faults.join("\n"))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use minimodel_fixtures::{ManifestOptions, ManifestText, manifest_artifact};
    use minimodel_wire::{Offer, PeerId};

    use super::*;

    fn sample_manifest() -> Manifest {
        let text = ManifestText::of(&manifest_artifact(), &ManifestOptions::default());
        Manifest::parse(text.render().as_bytes()).unwrap()
    }

    fn offer_for(swarm_id: [u8; 32]) -> String {
        let key = SigningKey::from_bytes(&[7; 32]);
        let addresses = vec!["127.0.0.1:4000".parse().unwrap()];
        let peer = PeerId(key.verifying_key().to_bytes());
        SignedOffer::sign(Offer { peer, swarm_id, addresses, expires_unix: 2_000_000_000 }, &key)
            .unwrap()
            .to_string()
    }

    fn valid(manifest: &Manifest) -> RequestText {
        RequestText {
            request_version: 0,
            kind: KIND.into(),
            model_id: manifest.model_id().into(),
            byte_count: manifest.byte_count(),
            artifact_sha256: tagged(manifest.artifact_sha256()),
            offers: vec![offer_for(*manifest.swarm_id())],
            consent: vec!["fetch".into(), "import".into()],
        }
    }

    #[test]
    fn a_request_that_agrees_is_taken() {
        let manifest = sample_manifest();
        let request = check(&valid(&manifest), &manifest).unwrap();
        assert_eq!(request.offers.len(), 1);
        assert_eq!(request.consent, "fetch,import".parse().unwrap());
    }

    #[test]
    fn each_disagreement_is_one_fault_with_both_values() {
        let manifest = sample_manifest();
        let good = valid(&manifest);
        let lower = tagged(manifest.artifact_sha256()).to_lowercase();
        let cases: Vec<(RequestText, Vec<String>)> = vec![
            (RequestText { request_version: 1, ..good.clone() }, vec!["1".into(), "0".into()]),
            (RequestText { kind: "other".into(), ..good.clone() }, vec!["other".into(), KIND.into()]),
            (
                RequestText { model_id: "another\u{1b}".into(), ..good.clone() },
                vec![r"another\u{1b}".into(), manifest.model_id().into()],
            ),
            (
                RequestText { byte_count: 7, ..good.clone() },
                vec!["7".into(), manifest.byte_count().to_string()],
            ),
            (
                RequestText { artifact_sha256: lower.clone(), ..good.clone() },
                vec![lower, "uppercase".into(), tagged(manifest.artifact_sha256())],
            ),
            (RequestText { offers: vec![], ..good.clone() }, vec!["0 entries".into(), "1 to 64".into()]),
            (
                RequestText { offers: vec!["./file".into()], ..good.clone() },
                vec!["offers[0] `./file`".into()],
            ),
            (
                RequestText { offers: vec![good.offers[0].clone(), offer_for([9; 32])], ..good.clone() },
                vec!["offers[1]".into(), "0909".into(), data_encoding::HEXLOWER.encode(manifest.swarm_id())],
            ),
            (
                RequestText { consent: vec!["all".into()], ..good.clone() },
                vec!["`all`".into(), "publish".into()],
            ),
        ];
        for (request, words) in cases {
            let faults = check(&request, &manifest).unwrap_err();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(words.iter().all(|word| faults[0].contains(word)), "{faults:?} lacks one of {words:?}");
        }
        let two = RequestText { byte_count: 7, kind: "x".into(), ..good };
        assert_eq!(check(&two, &manifest).unwrap_err().len(), 2);
    }

    #[test]
    fn unknown_missing_and_repeated_fields_are_refused() {
        let good = r#"{"request_version":0,"kind":"k","model_id":"m","byte_count":1,"artifact_sha256":"s","offers":[],"consent":[]}"#;
        assert!(serde_json::from_str::<RequestText>(good).is_ok());
        let bad = [
            good.replace("\"kind\"", "\"command\":\"x\",\"kind\""),
            good.replace("\"kind\":\"k\",", ""),
            good.replace("\"kind\":\"k\"", "\"kind\":\"k\",\"kind\":\"k\""),
            good.replace(":1,", ":-1,"),
            good.replace(":1,", ":1.5,"),
            good.replace("[]", "null"),
            format!("{good}{{}}"),
        ];
        for text in bad {
            assert!(serde_json::from_str::<RequestText>(&text).is_err(), "{text}");
        }
    }
}
