//! The request of `import-peer-request`: JSON that names what to fetch, from which peers, and under which consent.
//!
//! A request must agree with a manifest: [`PeerRequest::check`] reports each disagreement. Its offers and its consent are
//! plain texts here, which the caller parses. `docs/cli.md` describes each field.

use serde::Deserialize;

use crate::digest::parse_tagged;
use crate::shown::ascii;
use crate::{Digest, Manifest};

/// Longest request in bytes: room for the offers of a whole swarm.
pub const MAX_REQUEST_BYTES: usize = 256 * 1024;

/// Most offers in one request; one at least.
pub const MAX_REQUEST_OFFERS: usize = 64;

/// `request_version`.
pub const REQUEST_VERSION: u64 = 0;

/// `kind`.
pub const REQUEST_KIND: &str = "minimodel.import-peer-request";

/// The fields of the JSON object. Every field is required, and no other is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerRequest {
    /// [`REQUEST_VERSION`].
    pub request_version: u64,
    /// [`REQUEST_KIND`].
    pub kind: String,
    /// The manifest's `model.id`.
    pub model_id: String,
    /// The manifest's `artifact.byte_count`, in bytes.
    pub byte_count: u64,
    /// The manifest's `artifact.sha256`, in its spelling.
    pub artifact_sha256: String,
    /// Texts of offers, 1 to [`MAX_REQUEST_OFFERS`].
    pub offers: Vec<String>,
    /// Words of [`ConsentAction`](crate::receipt::ConsentAction).
    pub consent: Vec<String>,
}

/// Why bytes are no request. What comes from outside is stored raw and escaped when shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Longer than [`MAX_REQUEST_BYTES`].
    #[error("it is longer than {MAX_REQUEST_BYTES} bytes")]
    TooLong,
    /// Not JSON, or not these fields, each once.
    #[error("{}", ascii(reason))]
    Json {
        /// What the JSON reader says; may quote the request.
        reason: String,
    },
}

/// One thing in which a request does not agree with its manifest, or breaks a rule of its own; values are raw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestFault {
    /// Another version than [`REQUEST_VERSION`].
    Version {
        /// The version in the request.
        found: u64,
    },
    /// Another kind than [`REQUEST_KIND`].
    Kind {
        /// The kind in the request.
        found: String,
    },
    /// Another model.
    ModelId {
        /// In the request.
        asked: String,
        /// In the manifest.
        named: String,
    },
    /// Another length.
    ByteCount {
        /// In the request, in bytes.
        asked: u64,
        /// In the manifest, in bytes.
        named: u64,
    },
    /// Another artifact, or its digest in another spelling.
    ArtifactSha256 {
        /// In the request, as it is spelled there.
        asked: String,
        /// Whether that is a well-spelled digest at all.
        is_spelled: bool,
        /// In the manifest.
        named: Digest,
    },
    /// No offer, or more than [`MAX_REQUEST_OFFERS`].
    OfferCount {
        /// How many.
        found: usize,
    },
}

impl PeerRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// Bytes that are too many, or not the JSON of a request.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > MAX_REQUEST_BYTES {
            return Err(RequestError::TooLong);
        }
        // The field reader would also accept an array of the values in order, without their names.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(RequestError::Json { reason: "it is not a JSON object".to_owned() });
        }
        serde_json::from_slice(bytes).map_err(|error| RequestError::Json { reason: error.to_string() })
    }

    /// All disagreements with `manifest`, and broken rules of the request, in the order of the fields. Of the offers only
    /// the number is checked, of the consent nothing.
    pub fn check(&self, manifest: &Manifest) -> Vec<RequestFault> {
        let mut faults = Vec::new();
        if self.request_version != REQUEST_VERSION {
            faults.push(RequestFault::Version { found: self.request_version });
        }
        if self.kind != REQUEST_KIND {
            faults.push(RequestFault::Kind { found: self.kind.clone() });
        }
        if self.model_id != manifest.model_id() {
            let (asked, named) = (self.model_id.clone(), manifest.model_id().to_owned());
            faults.push(RequestFault::ModelId { asked, named });
        }
        if self.byte_count != manifest.byte_count() {
            let (asked, named) = (self.byte_count, manifest.byte_count());
            faults.push(RequestFault::ByteCount { asked, named });
        }
        // Compared as a value, so that a misspelled digest is reported as misspelled and not as another digest.
        let asked = parse_tagged(&self.artifact_sha256);
        if asked != Some(*manifest.artifact_sha256()) {
            faults.push(RequestFault::ArtifactSha256 {
                asked: self.artifact_sha256.clone(),
                is_spelled: asked.is_some(),
                named: *manifest.artifact_sha256(),
            });
        }
        if self.offers.is_empty() || self.offers.len() > MAX_REQUEST_OFFERS {
            faults.push(RequestFault::OfferCount { found: self.offers.len() });
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"request_version":0,"kind":"k","model_id":"m","byte_count":1,"artifact_sha256":"s","offers":[],"consent":[]}"#;

    #[test]
    fn unknown_missing_and_repeated_fields_are_refused() {
        assert!(PeerRequest::parse(GOOD.as_bytes()).is_ok());
        let bad = [
            GOOD.replace("\"kind\"", "\"command\":\"x\",\"kind\""),
            GOOD.replace("\"kind\":\"k\",", ""),
            GOOD.replace("\"kind\":\"k\"", "\"kind\":\"k\",\"kind\":\"k\""),
            GOOD.replace(":1,", ":-1,"),
            GOOD.replace(":1,", ":1.5,"),
            GOOD.replace("[]", "null"),
            format!("{GOOD}{{}}"),
            r#"[0,"k","m",1,"s",[],[]]"#.to_owned(),
            String::new(),
        ];
        for text in bad {
            assert!(PeerRequest::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_request_beyond_the_limit_is_refused_before_it_is_read() {
        let longest = format!("{GOOD}{}", " ".repeat(MAX_REQUEST_BYTES - GOOD.len()));
        assert!(PeerRequest::parse(longest.as_bytes()).is_ok());
        assert_eq!(PeerRequest::parse(format!("{longest} ").as_bytes()), Err(RequestError::TooLong));
    }

    // Rows: D8
    #[test]
    fn what_the_json_reader_quotes_is_shown_escaped() {
        let text = GOOD.replace("kind", "\\u001b[2J");
        let error = PeerRequest::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("u{1b}") && !error.contains('\u{1b}'), "{error}");
    }
}
