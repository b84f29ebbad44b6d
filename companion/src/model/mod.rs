//! The companion's domain: transfers, entries of the library, limits, consents, findings and events, as the daemon keeps them
//! and [`Service`](crate::Service) speaks of them. It knows no HTTP. Its one JSON form serves the database, `--json` and the
//! bodies of the local interface (version 1); docs/openapi.json pins the latter, whose descriptions are the comments of the fields.
//!
//! Times are RFC 3339 UTC (`..._utc`) or seconds since 1970 (`..._unix`), sizes bytes, rates payload bytes a second. Swarm ids
//! are 64 lowercase hex digits, peers their base32 ids.

mod chunks;
mod consent;
mod folders;
mod forms;
mod library;
mod limits;
mod publisher;
mod reach;
mod records;
mod status;
mod transfer;
pub mod validate;
mod weekday;

pub use self::chunks::{ChunkMap, MAX_CELLS, RateHistory, Span, USUAL_CELLS};
pub use self::consent::{Announcement, Consent, Question};
pub use self::folders::{FileEntry, Files};
pub(crate) use self::forms::{
    ActionSchema, BanIdForm, KeyForm, ManifestForm, PathForm, PeerIdForm, PublisherIdForm, ReceiptIdForm,
    SwarmIdForm, TimeForm,
};
pub use self::library::{Activated, Activation, Entry, EntryState, FitCheck, Fits, NewEntry, Pruned};
pub use self::limits::{Limits, Moved, Rates, TransferLimits, Window};
pub use self::publisher::{KnownKey, Publisher, PublisherStanding};
pub use self::reach::{
    FamilyReach, MappingReach, MappingStand, Reach, Translation, Visit, WayReach, WayStand,
};
pub use self::records::{
    KnownBan, KnownPublisher, OfferAddress, OfferText, ReceiptCheck, ReceiptLine, ReceiptParts, ReceiptPeer,
    ReceiptText,
};
pub use self::status::{Event, Finding, Status};
pub use self::transfer::{
    Cause, Endpoint, FoundBy, GoesOver, Kind, NewFetch, NewShare, Peer, PeerWay, State, Transfer,
};
pub use self::weekday::{Weekday, WeekdayError};
