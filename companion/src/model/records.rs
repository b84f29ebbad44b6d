//! What is on record: receipts, bans, known publishers, and the offer of a share in the forms in which it is handed on.

use minimodel::publishers::PublisherRecord;
use minimodel_verifier::receipt::{self, RecordedCheck};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::KnownKey;
use super::forms::{
    AddressForm, BanIdForm, KeyForm, OfferForm, PeerIdForm, PublisherIdForm, ReceiptIdForm, SwarmIdForm,
    TimeForm,
};

/// A receipt in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptLine {
    /// Its name in the interface.
    #[schema(value_type = ReceiptIdForm)]
    pub id: String,
    /// `model.id`.
    pub model_id: String,
    /// `model.version`.
    pub model_version: String,
    /// The swarm.
    #[schema(value_type = SwarmIdForm)]
    pub swarm_id: String,
    /// When the import ended; none where the file is no valid receipt.
    #[schema(value_type = Option<TimeForm>)]
    pub time_utc: Option<String>,
    /// The file.
    pub path: String,
    /// It can be read and its sum is right.
    pub ok: bool,
    /// Bytes of the artifact.
    pub bytes: u64,
}

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptText {
    /// What it says of the checks and of who supplied what.
    pub receipt: ReceiptParts,
    /// The file as it is. Text from outside, not escaped.
    pub text: String,
}

/// Parts of a receipt, for tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptParts {
    /// The checks, in their order.
    #[schema(min_items = 1)]
    pub checks: Vec<ReceiptCheck>,
    /// The peers that supplied chunks, or were rejected.
    pub peers: Vec<ReceiptPeer>,
}

/// A check and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptCheck {
    /// Its name.
    pub name: String,
    /// `pass` or `warn`.
    #[schema(pattern = "^(pass|warn)$")]
    pub outcome: String,
    /// What was found.
    pub detail: String,
}

/// What one peer supplied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptPeer {
    /// Who.
    pub peer: String,
    /// Payload bytes.
    pub bytes: u64,
    /// Chunks.
    pub chunks: u64,
    /// Why it was rejected, if it was.
    pub rejected: Option<String>,
}

/// A ban of the last 30 days: docs/blame.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KnownBan {
    /// Its name in the interface.
    #[schema(value_type = BanIdForm)]
    pub id: String,
    /// The banned key.
    #[schema(value_type = PeerIdForm)]
    pub peer: String,
    /// The rule that was broken.
    pub reason: String,
    /// `model.id` and version of the content.
    pub model: String,
    /// The swarm of the content.
    #[schema(value_type = SwarmIdForm)]
    pub swarm_id: String,
    /// The chunk, if the ban is for one.
    pub chunk: Option<u32>,
    /// The SHA-256 that the chunk must have, if known.
    pub expected: Option<String>,
    /// The SHA-256 of what the peer sent, if it sent anything.
    pub got: Option<String>,
    /// When it was set.
    #[schema(value_type = TimeForm)]
    pub set_utc: String,
    /// When it ends.
    #[schema(value_type = TimeForm)]
    pub until_utc: String,
    /// It holds now.
    pub active: bool,
    /// The key is banned for every model, since it was for three.
    pub everywhere: bool,
}

/// A publisher whose keys are known: docs/publishers.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KnownPublisher {
    /// `publisher.id`.
    #[schema(value_type = PublisherIdForm)]
    pub id: String,
    /// The key that is pinned, if one is: no other is accepted.
    #[schema(value_type = Option<KeyForm>)]
    pub pinned: Option<String>,
    /// Its keys, oldest first.
    #[schema(min_items = 1, max_items = 8)]
    pub keys: Vec<KnownKey>,
}

/// The offer of a share, as it is handed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferText {
    /// The offer.
    #[schema(value_type = OfferForm)]
    pub offer: String,
    /// The same as a link, with the name of the model.
    #[schema(
        max_length = 16384,
        pattern = r"^minimodel:\?s=[0-9a-f]{64}(&n=[A-Za-z0-9._~%-]+)?&o=mm1[a-z2-7]+$"
    )]
    pub link: String,
    /// The command that another user pastes.
    #[schema(pattern = r"^minimodel fetch --offer mm1[a-z2-7]+ --out \.$")]
    pub command: String,
    /// The addresses in it.
    #[schema(min_items = 1, max_items = 8)]
    pub addresses: Vec<OfferAddress>,
}

/// An address that an offer names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfferAddress {
    /// IP address and port.
    #[schema(value_type = AddressForm)]
    pub address: String,
    /// From where it can be reached: `nowhere`, `loopback`, `link-local`, `private`, `provider` or `public`.
    #[schema(pattern = "^(nowhere|loopback|link-local|private|provider|public)$")]
    pub scope: String,
}

impl From<&receipt::Receipt> for ReceiptParts {
    fn from(receipt: &receipt::Receipt) -> Self {
        let import = receipt.import();
        let check = |check: &RecordedCheck| ReceiptCheck {
            name: check.name.clone(),
            outcome: check.outcome.as_str().to_owned(),
            detail: check.detail.clone(),
        };
        let peer = |peer: &receipt::PeerSupply| ReceiptPeer {
            peer: peer.id.clone(),
            bytes: peer.bytes,
            chunks: peer.chunks,
            rejected: peer.rejected.clone(),
        };
        Self {
            checks: import.checks.iter().map(check).collect(),
            peers: import.peers.iter().map(peer).collect(),
        }
    }
}

impl KnownPublisher {
    /// The JSON form of a publisher's record.
    pub(crate) fn of(id: &str, record: &PublisherRecord) -> Self {
        Self {
            id: id.to_owned(),
            pinned: record.pinned.map(|key| key.to_string()),
            keys: record.keys.iter().map(KnownKey::from).collect(),
        }
    }
}
