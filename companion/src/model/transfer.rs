//! Shares and fetches.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use minimodel::publishers::SignerVerdict;
use minimodel::transfer::Way;
use minimodel::{Found, Over};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::consent::{Consent, Question};
use super::forms::{
    AddressForm, KeyForm, ManifestForm, OfferForm, PathForm, PeerIdForm, SwarmIdForm, TimeForm,
};
use super::limits::TransferLimits;
use super::publisher::{self, Publisher};
use super::reach::Reach;
use crate::problem::Problem;

/// Whether a transfer brings a file or gives one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A complete file is served.
    Share,
    /// A file is fetched.
    #[default]
    Fetch,
}

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its user is asked for consent: see [`Transfer::question`].
    #[default]
    Asking,
    /// It would run, but for what [`Transfer::cause`] says; it goes on by itself when that is over.
    Waiting,
    /// The file is being checked before it is served, or the manifest asked for.
    Preparing,
    /// Bytes may move.
    Running,
    /// Its user paused it; it stays so over restarts.
    Paused,
    /// A fetch that ended with a checked file and its receipt.
    Done,
    /// It ended by [`Transfer::problem`].
    Failed,
}

/// Why no byte of a transfer moves. The same words in `--json`, in the interface and in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// No connected peer has a chunk that is wanted.
    NoSource,
    /// Those who have what is wanted serve others now.
    Choked,
    /// A rate limit of this machine holds bytes back.
    RateLimit,
    /// A quota or budget is used up.
    Quota,
    /// A consent that is needed was not given, ended or was revoked.
    ConsentMissing,
    /// Writing, hashing or the disk itself holds it up, there is no space, or the file of a share cannot be read now.
    Disk,
    /// The UDP address of a share cannot be had: something else has its port, or this machine has not its address now.
    Address,
    /// The path does not carry more.
    Congestion,
    /// Those who were asked are silent or do not read.
    PeerSlow,
    /// All bytes are here; the whole-file check goes on.
    Checking,
    /// A share of which no peer wants anything.
    NoDemand,
    /// The user paused it.
    Paused,
    /// The schedule lets nothing pass at this hour.
    Schedule,
    /// Another fetch of the same model is under way: under one key, a peer serves one of them.
    SameModel,
}

/// Where a transfer listens and what its offer names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Endpoint {
    /// Listen here; none: all addresses, at a port that is kept over restarts.
    #[schema(value_type = Option<AddressForm>)]
    pub listen: Option<SocketAddr>,
    /// Named in offers instead of the addresses that are found.
    #[schema(value_type = Vec<AddressForm>, max_items = 8)]
    pub advertise: Vec<SocketAddr>,
}

/// A file to serve: either an entry of the library, or a manifest and a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(
    description = "`POST /v1/shares`: serve a file. Either an entry of the library, or a manifest and a file."
)]
pub struct NewShare {
    /// An entry of the library that is Ready.
    pub entry: Option<u64>,
    /// The text of the manifest.
    #[schema(value_type = Option<ManifestForm>)]
    pub manifest: Option<String>,
    /// The absolute path of the file.
    #[schema(value_type = Option<PathForm>)]
    pub path: Option<PathBuf>,
    /// Offers (`mm1...`) of other members: with consent to publish it keeps in touch with two of them, which introduce those who
    /// cannot reach this machine.
    #[schema(value_type = Vec<OfferForm>, max_items = 64)]
    pub offers: Vec<String>,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Its limits.
    pub limits: TransferLimits,
    /// Serve these peers alone; empty: anyone who holds the offer. It bounds the grants that `consent` gives.
    #[schema(value_type = Vec<PeerIdForm>, max_items = 1024)]
    pub allow: Vec<String>,
    /// Consent that is given with the request, and by what; without it, grants that there are count, or it asks.
    pub consent: Option<Consent>,
}

/// A file to fetch. Sources are offers of peers; nothing else is taken, no address on the web either.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(
    description = "`POST /v1/fetches`: fetch a file. Sources are offers of peers; nothing else is taken, no address on the web either."
)]
pub struct NewFetch {
    /// The text of the manifest; none: it is asked of the first offer's peer.
    #[schema(value_type = Option<ManifestForm>)]
    pub manifest: Option<String>,
    /// Offers (`mm1...`).
    #[schema(value_type = Vec<OfferForm>, required = true, min_items = 1, max_items = 64)]
    pub offers: Vec<String>,
    /// The absolute path of the folder to import into; none: the library keeps it in its own folder (consent `cache`).
    #[schema(value_type = Option<PathForm>)]
    pub out: Option<PathBuf>,
    /// Where the receipt goes, if not beside the file.
    #[schema(value_type = Option<PathForm>)]
    pub receipt: Option<PathBuf>,
    /// Where it listens, if it serves.
    pub endpoint: Endpoint,
    /// Its limits.
    pub limits: TransferLimits,
    /// Who may connect to it, if it serves; empty: anyone who holds its offer.
    #[schema(value_type = Vec<PeerIdForm>, max_items = 1024)]
    pub allow: Vec<String>,
    /// Chunks from the beginning of the file on instead of rarest first.
    pub sequential: bool,
    /// Recompute the rolling checksum at the end as well.
    pub full_check: bool,
    /// Share the file when it is there.
    pub keep_seeding: bool,
    /// Seconds without a byte after which it fails, resumably; none: it waits for peers for as long as it takes.
    #[schema(minimum = 1)]
    pub stall_seconds: Option<u64>,
    /// The key that must have signed the manifest, whatever is known of its publisher.
    #[schema(value_type = Option<KeyForm>)]
    pub publisher_key: Option<String>,
    /// As in [`NewShare::consent`].
    pub consent: Option<Consent>,
}

/// One connected peer of a transfer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Who.
    #[schema(value_type = PeerIdForm)]
    pub peer: String,
    /// Payload bytes it sent us in this session.
    pub received_bytes: u64,
    /// Payload bytes we sent it in this session.
    pub sent_bytes: u64,
    /// Coming in, bytes a second.
    pub down_rate: u64,
    /// Going out, bytes a second.
    pub up_rate: u64,
    /// Round trip, milliseconds.
    pub rtt_ms: f64,
    /// Chunks it has.
    pub have: u32,
    /// It lets us ask for nothing now.
    pub choking_us: bool,
    /// Why it sends nothing although something is wanted of it.
    pub cause: Option<Cause>,
    /// The UDP address at which it is connected.
    #[serde(default)]
    pub address: String,
    /// The part of the file that it has, 0 to 1.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    pub share: f64,
    /// We let it ask for nothing now.
    #[serde(default)]
    pub choked_by_us: bool,
    /// It broke a rule of the protocol in this run.
    #[serde(default)]
    pub blamed: bool,
    /// The way to it.
    #[serde(flatten)]
    pub way: PeerWay,
}

/// The way to a peer: how it was found, and over what its packets go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerWay {
    /// By which way it was found.
    #[serde(default)]
    pub found: FoundBy,
    /// The member that introduced it.
    #[serde(default)]
    #[schema(value_type = Option<PeerIdForm>)]
    pub introduced_by: Option<String>,
    /// Over what its packets go.
    #[serde(default)]
    pub over: GoesOver,
}

/// Over what the packets of a connection go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GoesOver {
    /// Within one machine or one network.
    Local,
    /// IPv6, which no router translates.
    Ipv6,
    /// IPv4, through the port that this machine's router was asked for.
    Mapped,
    /// IPv4, through routers that both sides opened at once.
    Punched,
    /// IPv4, to an address that answers.
    #[default]
    Direct,
}

impl From<Over> for GoesOver {
    fn from(over: Over) -> Self {
        match over {
            Over::Local => Self::Local,
            Over::Ipv6 => Self::Ipv6,
            Over::Mapped => Self::Mapped,
            Over::Punched => Self::Punched,
            Over::Direct => Self::Direct,
        }
    }
}

/// By which way a peer was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FoundBy {
    /// It came by itself.
    #[default]
    Came,
    /// The user named it by an offer.
    Named,
    /// It gave chunks of this artifact in an earlier run.
    Earlier,
    /// A member passed its offer on.
    PassedOn,
    /// A member introduced it: neither could have dialed the other without.
    Introduced,
    /// It was found on the network at hand.
    Lan,
    /// It was found by the public DHT.
    Dht,
}

impl From<Found> for FoundBy {
    fn from(found: Found) -> Self {
        match found {
            Found::Came => Self::Came,
            Found::Named => Self::Named,
            Found::Earlier => Self::Earlier,
            Found::PassedOn => Self::PassedOn,
            Found::Introduced(_) => Self::Introduced,
            Found::By(Way::Lan) => Self::Lan,
            Found::By(Way::Dht) => Self::Dht,
        }
    }
}

/// A share or a fetch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Transfer {
    /// Its name in the interface.
    pub id: u64,
    /// Share or fetch.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Why no byte moves, if none does.
    pub cause: Option<Cause>,
    /// What ended it.
    pub problem: Option<Problem>,
    /// What is asked of the user.
    pub question: Option<Question>,
    /// `model.id`; empty while only an offer is known.
    pub model_id: String,
    /// `model.version`.
    pub model_version: String,
    /// Its publisher; none while only an offer is known, or where the record of known publishers cannot be read.
    #[serde(default, with = "publisher")]
    #[schema(value_type = Option<Publisher>)]
    pub publisher: Option<SignerVerdict>,
    /// The swarm.
    #[schema(value_type = SwarmIdForm)]
    pub swarm_id: String,
    /// The file that is served or will be there.
    pub path: String,
    /// The receipt, when there is one.
    pub receipt: Option<String>,
    /// The entry of the library.
    pub entry: Option<u64>,
    /// Our offer, while it serves.
    #[schema(value_type = Option<OfferForm>)]
    pub offer: Option<String>,
    /// Whether peers may pass it on.
    pub publishes: bool,
    /// Who may come; empty: anyone who holds the offer.
    #[schema(value_type = Vec<PeerIdForm>)]
    pub allow: Vec<String>,
    /// Its limits.
    pub limits: TransferLimits,
    /// Bytes that are proven and on disk.
    pub have_bytes: u64,
    /// Bytes of the artifact; 0 while not known.
    pub total_bytes: u64,
    /// Chunks of the artifact; 0 while not known.
    #[serde(default)]
    pub chunks_total: u64,
    /// Chunks that are proven and on disk.
    #[serde(default)]
    pub chunks_have: u64,
    /// Chunks that were asked of peers and are not proven yet.
    #[serde(default)]
    pub chunks_in_flight: u64,
    /// Missing chunks that no connected peer has; none where no fetch runs.
    #[serde(default)]
    pub missing_unheld: Option<u64>,
    /// Seconds until every byte is here, at the rate of now; none while that is not known: nothing comes, or a missing chunk is
    /// with no connected peer.
    #[serde(default)]
    pub eta_seconds: Option<u64>,
    /// Payload bytes received in this run.
    pub received_bytes: u64,
    /// Payload bytes sent in this run.
    pub sent_bytes: u64,
    /// Coming in, bytes a second.
    pub down_rate: u64,
    /// Going out, bytes a second.
    pub up_rate: u64,
    /// Connected peers.
    pub peers: Vec<Peer>,
    /// How far others can reach it, as far as other members have shown; none while it does not run.
    #[serde(default)]
    pub reach: Option<Reach>,
    /// Seconds that this run has lasted.
    #[serde(default)]
    pub run_seconds: f64,
    /// Seconds of this run in which no byte moved, by cause.
    pub idle_seconds: BTreeMap<Cause, f64>,
    /// When it was added.
    #[schema(value_type = TimeForm)]
    pub created_utc: String,
    /// In the answer to adding it: it was not there before.
    #[serde(default)]
    pub is_new: bool,
}
