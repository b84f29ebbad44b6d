//! One entry of the ban ledger.

use std::str::FromStr as _;

use minimodel_swarm::driver::{BAN, Ban};
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::{hex, parse_hex, parse_tagged, tagged};
use minimodel_wire::PeerId;
use serde::{Deserialize, Serialize};

/// Version of the entries. Lines of another version count as unreadable.
const VERSION: u32 = 0;

/// One line of `blame.jsonl`.
///
/// ```
/// # let peer = minimodel::PeerId(minimodel_fixtures::fixture_signing_key().verifying_key().to_bytes());
/// # let line = format!(
/// #     r#"{{"version":0,"peer":"{peer}","swarm_id":"{}","model":"tinylm 1.0","verb":"fetch","reason":"bad chunk","chunk":3,"at_unix":1,"until_unix":86401}}"#,
/// #     "5e".repeat(32),
/// # );
/// use minimodel::bans::BanEntry;
///
/// let entry: BanEntry = serde_json::from_str(&line)?;
/// assert_eq!(entry.peer_id(), Some(peer));
/// assert_eq!((entry.chunk, entry.until_unix - entry.at_unix), (Some(3), 24 * 3_600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BanEntry {
    version: u32,
    /// The banned key.
    pub peer: String,
    /// Swarm id of the content, as 64 hex digits.
    pub swarm_id: String,
    /// `model.id` and `model.version` of that content.
    pub model: String,
    /// The verb that was running.
    pub verb: String,
    /// The rule that was broken.
    pub reason: String,
    /// Index of the chunk, if the ban is for one.
    pub chunk: Option<u32>,
    /// Expected SHA-256 of that chunk, if known.
    pub expected: Option<String>,
    /// SHA-256 of the bytes that the peer sent, if it sent any.
    pub got: Option<String>,
    /// Time of the ban, in seconds since 1970.
    pub at_unix: u64,
    /// End of the ban for this content, in seconds since 1970.
    pub until_unix: u64,
}

impl BanEntry {
    /// The entry of a ban that happened just now.
    pub(super) fn new(verb: &str, manifest: &Manifest, ban: &Ban, now: u64) -> Self {
        Self {
            version: VERSION,
            peer: ban.peer.to_string(),
            swarm_id: hex(manifest.swarm_id()),
            model: format!("{} {}", manifest.model_id(), manifest.model_version()),
            verb: verb.to_owned(),
            reason: ban.breach.to_string(),
            chunk: ban.index,
            expected: ban.expected.as_ref().map(tagged),
            got: ban.got.as_ref().map(tagged),
            at_unix: now,
            until_unix: now.saturating_add(BAN.as_secs()),
        }
    }

    /// Parses a line; `None` unless every field is valid.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let entry: Self = serde_json::from_str(line).ok()?;
        let is_hash = |text: &Option<String>| text.as_deref().is_none_or(|text| parse_tagged(text).is_some());
        let is_good = entry.version == VERSION
            && entry.peer_id().is_some()
            && parse_hex(&entry.swarm_id).is_some()
            && is_hash(&entry.expected)
            && is_hash(&entry.got)
            && entry.until_unix >= entry.at_unix;
        is_good.then_some(entry)
    }

    /// The banned key.
    pub fn peer_id(&self) -> Option<PeerId> {
        PeerId::from_str(&self.peer).ok()
    }
}
