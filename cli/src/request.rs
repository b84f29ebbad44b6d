//! The request file of `import-peer-request`: its offers, and the actions that it asks for.
//!
//! The MiniModel documentation names the command; the fields and their version are defined by this project, in
//! `docs/cli.md`. [`PeerRequest`] has the checks that need no knowledge of offers. Every mismatch with the manifest is
//! reported, and no peer is dialed if there is one.

use std::path::Path;

use minimodel::consent::unmet;
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::tagged;
use minimodel_verifier::request::{
    MAX_REQUEST_BYTES, MAX_REQUEST_OFFERS, PeerRequest, REQUEST_KIND, REQUEST_VERSION, RequestError,
    RequestFault,
};
use minimodel_wire::SignedOffer;

use crate::args::OfferArg;
use crate::consent::{Action, ConsentFlag};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{input, offer_argument};

/// A request that agrees with its manifest.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Offers of the peers to fetch from: signatures verified, all for one swarm, at least one.
    pub(crate) offers: Vec<SignedOffer>,
    /// Actions that the request asks the user to consent to. They are no consent: a file cannot agree to anything.
    pub(crate) asks: Vec<Action>,
}

/// Reads a request and checks it against `manifest`.
pub(crate) fn read(path: &Path, manifest: &Manifest) -> Result<Request, Failure> {
    check(&text(path)?, manifest).map_err(|faults| invalid(path, &faults))
}

/// The fields of a request, label and escaped value, unchecked.
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

fn text(path: &Path) -> Result<PeerRequest, Failure> {
    let bytes = input::read_small("request", path, MAX_REQUEST_BYTES)?;
    PeerRequest::parse(&bytes).map_err(|error| {
        let what = match &error {
            RequestError::TooLong => error.to_string(),
            RequestError::Json { reason } => escape::shown(reason).to_string(),
        };
        invalid(path, &[what])
    })
}

/// Checks a request against `manifest`; the error lists every fault, each with both values.
fn check(text: &PeerRequest, manifest: &Manifest) -> Result<Request, Vec<String>> {
    let found = text.check(manifest);
    let mut faults: Vec<String> = found.iter().map(told).collect();
    let offers = offers(text, manifest, &mut faults);
    match asks(&text.consent) {
        Ok(asks) if faults.is_empty() => return Ok(Request { offers, asks }),
        Ok(_) => {}
        Err(error) => {
            let words = text.consent.join(",");
            faults.push(format!("consent is `{}`: {error}", escape::shown(&words)));
        }
    }
    Err(faults)
}

/// Parses the actions that a request asks for; refuses what `import-peer-request` does not do.
fn asks(words: &[String]) -> Result<Vec<Action>, String> {
    let asked =
        ConsentFlag::from_words(words.iter().map(String::as_str)).map_err(|error| error.to_string())?;
    let asked = asked.actions();
    if asked.contains(&Action::Cache) {
        return Err("import-peer-request never does `cache`".to_owned());
    }
    if let Some(unmet) = unmet(|action| asked.contains(&action)) {
        let needed = unmet.needs.first().map_or("", |needed| needed.as_str());
        return Err(format!("{unmet}: {}; ask for `{needed}` as well", unmet.reason()));
    }
    Ok(asked)
}

fn told(fault: &RequestFault) -> String {
    match fault {
        RequestFault::Version { found } => {
            format!("request_version is {found}, this program reads {REQUEST_VERSION}")
        }
        RequestFault::Kind { found } => format!("kind is `{}`, not `{REQUEST_KIND}`", escape::shown(found)),
        RequestFault::ModelId { asked, named } => {
            let (asked, named) = (escape::shown(asked), escape::shown(named));
            format!("model_id is `{asked}`, the manifest's model.id `{named}`")
        }
        RequestFault::ByteCount { asked, named } => {
            format!("byte_count is {asked}, the manifest's artifact.byte_count {named}")
        }
        RequestFault::ArtifactSha256 { asked, is_spelled, named } => {
            let spelling =
                if *is_spelled { "" } else { " (it is spelled `sha256:` and 64 uppercase hex digits)" };
            let (asked, named) = (escape::shown(asked), tagged(named));
            format!("artifact_sha256 is `{asked}`{spelling}, the manifest's artifact.sha256 `{named}`")
        }
        RequestFault::OfferCount { found } => {
            format!("offers has {found} entries, it takes 1 to {MAX_REQUEST_OFFERS}")
        }
    }
}

/// The offers that can be parsed and are for this swarm; none is parsed if there are too many.
fn offers(text: &PeerRequest, manifest: &Manifest, faults: &mut Vec<String>) -> Vec<SignedOffer> {
    if text.offers.len() > MAX_REQUEST_OFFERS {
        return Vec::new();
    }
    let mut offers = Vec::new();
    for (number, text) in text.offers.iter().enumerate() {
        let parsed = match text.parse() {
            // A request must not name other files.
            Ok(OfferArg::Text(text)) => offer_argument::parse(&text),
            Ok(OfferArg::Link(_) | OfferArg::File(_)) | Err(_) => Err(minimodel_wire::OfferError::Prefix),
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

    fn valid(manifest: &Manifest) -> PeerRequest {
        PeerRequest {
            request_version: 0,
            kind: REQUEST_KIND.into(),
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
        assert_eq!(request.asks, [Action::Fetch, Action::Import]);
    }

    #[test]
    fn each_disagreement_is_one_fault_with_both_values() {
        let manifest = sample_manifest();
        let good = valid(&manifest);
        let lower = tagged(manifest.artifact_sha256()).to_lowercase();
        let cases: Vec<(PeerRequest, Vec<String>)> = vec![
            (PeerRequest { request_version: 1, ..good.clone() }, vec!["1".into(), "0".into()]),
            (PeerRequest { kind: "other".into(), ..good.clone() }, vec!["other".into(), REQUEST_KIND.into()]),
            (
                PeerRequest { model_id: "another\u{1b}".into(), ..good.clone() },
                vec![r"another\u{1b}".into(), manifest.model_id().into()],
            ),
            (
                PeerRequest { byte_count: 7, ..good.clone() },
                vec!["7".into(), manifest.byte_count().to_string()],
            ),
            (
                PeerRequest { artifact_sha256: lower.clone(), ..good.clone() },
                vec![lower, "uppercase".into(), tagged(manifest.artifact_sha256())],
            ),
            (PeerRequest { offers: vec![], ..good.clone() }, vec!["0 entries".into(), "1 to 64".into()]),
            (
                PeerRequest { offers: vec!["./file".into()], ..good.clone() },
                vec!["offers[0] `./file`".into()],
            ),
            (
                PeerRequest { offers: vec![good.offers[0].clone(), offer_for([9; 32])], ..good.clone() },
                vec!["offers[1]".into(), "0909".into(), data_encoding::HEXLOWER.encode(manifest.swarm_id())],
            ),
            (
                PeerRequest { consent: vec!["all".into()], ..good.clone() },
                vec!["`all`".into(), "publish".into()],
            ),
            (
                PeerRequest { consent: vec!["fetch".into(), "cache".into()], ..good.clone() },
                vec!["`fetch,cache`".into(), "never does".into()],
            ),
            (
                PeerRequest { consent: vec!["publish".into()], ..good.clone() },
                vec!["`publish`".into(), "ask for `serve`".into()],
            ),
        ];
        for (request, words) in cases {
            let faults = check(&request, &manifest).unwrap_err();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(words.iter().all(|word| faults[0].contains(word)), "{faults:?} lacks one of {words:?}");
        }
        let two = PeerRequest { byte_count: 7, kind: "x".into(), ..good };
        assert_eq!(check(&two, &manifest).unwrap_err().len(), 2);
    }
}
