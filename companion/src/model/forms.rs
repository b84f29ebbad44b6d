//! Schemas of the texts with a spelling of their own, each named once in the OpenAPI document. The types are never made: fields
//! name them as their `value_type`.

use std::borrow::Cow;

use minimodel::consent::Action;
use minimodel_wire::limits::{MAX_MANIFEST_LEN, MAX_OFFER_TEXT_LEN};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Longest path, in characters.
pub(super) const MAX_PATH: usize = 4096;

/// The schema of an [`Action`], which is the library's own type.
#[derive(Debug)]
pub(crate) struct ActionSchema;

impl PartialSchema for ActionSchema {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("What can be agreed to; there is no action that stands for all."))
            .enum_values(Some(Action::ALL.map(Action::as_str)))
            .into()
    }
}

impl ToSchema for ActionSchema {
    fn name() -> Cow<'static, str> {
        "Action".into()
    }
}

/// A type whose schema is a string of this pattern and greatest length, with its name in the document.
macro_rules! form {
    ($type:ident, $name:literal, $pattern:literal, $most:expr, $description:literal) => {
        #[doc = $description]
        #[derive(Debug)]
        pub(crate) struct $type;

        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let object = ObjectBuilder::new().schema_type(Type::String).pattern(Some($pattern));
                object.max_length(Some($most)).description(Some($description)).into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    };
}

form!(SwarmIdForm, "SwarmId", "^[0-9a-f]{64}$", 64, "The id of a swarm: SHA-256 of its manifest.");
form!(PeerIdForm, "PeerId", "^[a-z2-7]{51}[aq]$", 52, "The id of a peer: its public key in base32.");
form!(BanIdForm, "BanId", "^[0-9a-f]{16}$", 16, "The name of a ban, made from what it is.");
form!(
    ReceiptIdForm,
    "ReceiptId",
    r"^(entry|transfer)-(0|[1-9]\d{0,19})$",
    29,
    "The name of a receipt: that of the entry of the library or of the transfer which it is of."
);
form!(KeyForm, "PublisherKey", "^ed25519:[0-9a-f]{64}$", 72, "A publisher's public key.");
form!(
    SignerForm,
    "Signer",
    "^(unsigned|ed25519:[0-9a-f]{64})$",
    72,
    "The key that signed a manifest, or `unsigned`."
);
form!(
    OfferForm,
    "Offer",
    "^mm1[a-z2-7]+$",
    MAX_OFFER_TEXT_LEN,
    "An offer: a signed text of a peer, which says where it is and what it serves."
);
form!(
    PublisherIdForm,
    "PublisherId",
    r"^[a-z0-9](\.?[a-z0-9_-])*\.?$",
    128,
    "The id of a publisher, as manifests have it."
);
form!(
    TimeForm,
    "Time",
    r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z|\d{12,20} seconds after 1970)$",
    40,
    "A time, RFC 3339 in UTC; one beyond the year 9999 is a number of seconds."
);
form!(
    PathForm,
    "AbsolutePath",
    r"^(/|[A-Za-z]:[\\/]|\\\\)[^\u0000]*$",
    MAX_PATH,
    "A whole path of the companion's machine, in that system's spelling."
);
form!(
    AddressForm,
    "SocketAddress",
    r"^([0-9.]{7,15}|\[[0-9a-fA-F:.%]{2,60}\]):\d{1,5}$",
    80,
    "An IP address and a port: `203.0.113.1:4433`, `[2001:db8::1]:4433`."
);
form!(
    ManifestForm,
    "ManifestText",
    r"^[^\u0000]*$",
    MAX_MANIFEST_LEN as usize,
    "The text of a manifest: docs/manifest.md."
);
form!(WayForm, "Way", "^[a-z-]{1,32}$", 32, "How a consent was given: `flag`, `prompt`, `api`, `page`.");
