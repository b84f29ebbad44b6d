//! The content of a receipt, and the rules that it must keep.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::MAX_RECEIPT_BYTES;
use super::error::ReceiptError;
use crate::artifact::Format;
use crate::manifest::value::is_utc_time;
use crate::manifest::{Acquisition, Evidence};
use crate::shown::escaped;
use crate::word::is_route_safe;
use crate::{Check, Digest, Manifest, Outcome, Report};

/// An import receipt that keeps every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub(super) subject: Subject,
    pub(super) import: ImportRecord,
}

/// What was imported, as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// SHA-256 of the manifest's canonical form, which is the swarm id by definition.
    pub swarm_id: Digest,
    /// `model.id`.
    pub model_id: String,
    /// `model.version`.
    pub model_version: String,
    /// `publisher.id`.
    pub publisher_id: String,
    /// The key whose signature over the manifest was verified; `None` = unsigned.
    pub signed_by: Option<String>,
    /// The format of the artifact. A receipt of version 0 is of a `.slm` file, and one of version 1 of any other.
    pub format: Format,
    /// Size of the artifact in bytes.
    pub byte_count: u64,
    /// SHA-256 of the artifact.
    pub artifact_sha256: Digest,
    /// Chunk size in bytes.
    pub chunk_size: u64,
    /// Number of chunks.
    pub chunk_count: u64,
    /// Root of the chunk tree.
    pub merkle_root: Digest,
    /// `license.route`, as shown to the user.
    pub license_route: String,
    /// The evidence, as shown to the user; empty = not claimed.
    pub evidence: Vec<Evidence>,
}

/// How it was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRecord {
    /// The acquisition lane that was taken.
    pub lane: Acquisition,
    /// When the import began, RFC 3339 UTC with a `Z`.
    pub started_utc: String,
    /// When the last check had passed, RFC 3339 UTC with a `Z`.
    pub finished_utc: String,
    /// Name and version of the software.
    pub tool_version: String,
    /// True if the `.slm` rolling checksum was recomputed over the file, false if only compared, or if the format has none.
    pub checksum_recomputed: bool,
    /// What the user agreed to.
    pub consents: Vec<Consent>,
    /// For a peer transfer: what each peer supplied.
    pub peers: Vec<PeerSupply>,
    /// Every check that was made, in its order.
    pub checks: Vec<RecordedCheck>,
}

/// An action that needs the user's explicit yes; there is no action that stands for all. The order is that in which users are
/// asked and lists are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentAction {
    /// Taking the artifact from peers, who see this machine's address.
    Fetch,
    /// Placing the artifact among the user's files.
    Import,
    /// Giving the artifact to peers.
    Serve,
    /// Keeping the artifact for later, where it may be evicted.
    Cache,
    /// Announcing to other peers that this user has the artifact.
    Publish,
    /// Being found, or looking for others, on the network at hand: a scope of publishing, and of fetching.
    Lan,
    /// Being found, or looking for others, by the public DHT: likewise.
    Dht,
    /// Having the user's router let others in.
    Map,
    /// Taking a file that can run code when a program loads it.
    Executable,
}

impl ConsentAction {
    /// All of them, in their order.
    pub const ALL: [Self; 9] = [
        Self::Fetch,
        Self::Import,
        Self::Serve,
        Self::Cache,
        Self::Publish,
        Self::Lan,
        Self::Dht,
        Self::Map,
        Self::Executable,
    ];

    /// The word used in receipts and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Fetch => "fetch",
            Self::Import => "import",
            Self::Cache => "cache",
            Self::Publish => "publish",
            Self::Lan => "lan",
            Self::Dht => "dht",
            Self::Map => "map",
            Self::Executable => "executable",
        }
    }

    /// Reads [`as_str`](Self::as_str)'s spelling, and only that one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

/// One consent: which action, when, and how it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// The action.
    pub action: ConsentAction,
    /// When, RFC 3339 UTC with a `Z`.
    pub at_utc: String,
    /// The command line flag or the prompt that it was given by.
    pub by: String,
}

/// What one peer supplied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSupply {
    /// The peer's id: a route-safe word, such as lowercase base32.
    pub id: String,
    /// Proven bytes that it supplied.
    pub bytes: u64,
    /// Proven chunks that it supplied.
    pub chunks: u64,
    /// Why the peer was rejected, if it was.
    pub rejected: Option<String>,
}

/// Name of the check that says how much of the file was found on disk.
const FOUND_ON_DISK: &str = "chunk.found_on_disk";

/// One check as a receipt keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCheck {
    /// Its name.
    pub name: String,
    /// Pass or warn; a receipt with a failed check cannot be made.
    pub outcome: Outcome,
    /// What was found; may be empty.
    pub detail: String,
}

impl RecordedCheck {
    /// The checks of a report; their details are escaped, because they may quote text from outside.
    pub fn all(report: &Report) -> Vec<Self> {
        report.checks().iter().map(Self::from).collect()
    }

    /// A check which records that this part of the file came from no peer of the receipt: it was found on disk and proven
    /// there, without a record of its supplier. With this check the peers of a receipt add up to the file.
    pub fn found_on_disk(chunks: u64, bytes: u64) -> Self {
        let detail = format!(
            "{bytes} bytes in {chunks} chunks were found on disk, without a record of their supplier"
        );
        Self { name: FOUND_ON_DISK.to_owned(), outcome: Outcome::Pass, detail }
    }
}

impl From<&Check> for RecordedCheck {
    fn from(check: &Check) -> Self {
        Self { name: check.name.to_owned(), outcome: check.outcome, detail: escaped(&check.detail()) }
    }
}

impl From<&Manifest> for Subject {
    fn from(manifest: &Manifest) -> Self {
        Self {
            swarm_id: *manifest.swarm_id(),
            model_id: manifest.model_id().to_owned(),
            model_version: manifest.model_version().to_owned(),
            publisher_id: manifest.publisher_id().to_owned(),
            signed_by: manifest.is_signed().then(|| manifest.publisher_key_id().to_owned()),
            format: manifest.format(),
            byte_count: manifest.byte_count(),
            artifact_sha256: *manifest.artifact_sha256(),
            chunk_size: manifest.chunk_size(),
            chunk_count: manifest.chunk_count(),
            merkle_root: *manifest.merkle_root(),
            license_route: manifest.license_route().to_owned(),
            evidence: manifest.evidence().to_vec(),
        }
    }
}

impl Receipt {
    /// Makes the receipt for importing the artifact of `manifest`.
    ///
    /// # Errors
    /// A record that is not one of an import that passed, a text that a line cannot hold, or a receipt that is too large.
    pub fn new(manifest: &Manifest, mut import: ImportRecord) -> Result<Self, ReceiptError> {
        import.checksum_recomputed &= manifest.format() == Format::Slm;
        let receipt = Self { subject: manifest.into(), import };
        receipt.validate()?;
        let bytes = receipt.render().len();
        if bytes > MAX_RECEIPT_BYTES { Err(ReceiptError::TooLarge { bytes }) } else { Ok(receipt) }
    }

    /// What was imported.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// How it was imported.
    pub fn import(&self) -> &ImportRecord {
        &self.import
    }

    /// Bytes of the file that were found on disk without a record of their supplier: those that the receipt's peers did not
    /// supply. 0 if the receipt does not record such bytes.
    pub fn found_on_disk(&self) -> u64 {
        let says_so = self.import.checks.iter().any(|check| check.name == FOUND_ON_DISK);
        let supplied = self.import.peers.iter().fold(0_u64, |sum, peer| sum.saturating_add(peer.bytes));
        if says_so { self.subject.byte_count.saturating_sub(supplied) } else { 0 }
    }

    /// Checks the rules about the import record. The subject was checked by the manifest or by the parser.
    pub(super) fn validate(&self) -> Result<(), ReceiptError> {
        let import = &self.import;
        text("tool.version", &import.tool_version)?;
        time("import.started_utc", &import.started_utc)?;
        time("import.finished_utc", &import.finished_utc)?;
        if import.consents.is_empty() {
            return Err(ReceiptError::NoConsent);
        }
        for (number, consent) in import.consents.iter().enumerate() {
            time(&format!("consent.{number}.at"), &consent.at_utc)?;
            text(&format!("consent.{number}.by"), &consent.by)?;
        }
        self.validate_peers()?;
        if import.checks.is_empty() {
            return Err(ReceiptError::NoChecks);
        }
        for (number, check) in import.checks.iter().enumerate() {
            text(&format!("check.{number}.name"), &check.name)?;
            if check.outcome == Outcome::Fail {
                return Err(ReceiptError::FailedCheck { name: check.name.clone() });
            }
            printable(&format!("check.{number}.detail"), &check.detail)?;
        }
        Ok(())
    }

    fn validate_peers(&self) -> Result<(), ReceiptError> {
        let import = &self.import;
        if !import.peers.is_empty() && import.lane != Acquisition::ConsentPeerTransfer {
            return Err(ReceiptError::PeersWithoutTransfer { lane: import.lane.as_str() });
        }
        let mut ids = BTreeSet::new();
        for (number, peer) in import.peers.iter().enumerate() {
            let key = format!("peer.{number}.id");
            if !is_route_safe(&peer.id) {
                return Err(ReceiptError::PeerId { key, found: peer.id.clone() });
            }
            if !ids.insert(&peer.id) {
                return Err(ReceiptError::DuplicatePeer { key, found: peer.id.clone() });
            }
            if let Some(reason) = &peer.rejected {
                let key = format!("peer.{number}.rejected");
                text(&key, reason)?;
                if reason == "none" {
                    return Err(ReceiptError::ReasonNone { key });
                }
            }
        }
        Ok(())
    }
}

fn printable(key: &str, value: &str) -> Result<(), ReceiptError> {
    match value.bytes().find(|byte| !matches!(byte, 0x20..=0x7E)) {
        Some(byte) => Err(ReceiptError::ForbiddenText { key: key.to_owned(), byte }),
        None => Ok(()),
    }
}

fn text(key: &str, value: &str) -> Result<(), ReceiptError> {
    if value.is_empty() {
        Err(ReceiptError::EmptyText { key: key.to_owned() })
    } else {
        printable(key, value)
    }
}

fn time(key: &str, value: &str) -> Result<(), ReceiptError> {
    if is_utc_time(value) {
        Ok(())
    } else {
        Err(ReceiptError::Time { key: key.to_owned(), found: value.to_owned() })
    }
}
