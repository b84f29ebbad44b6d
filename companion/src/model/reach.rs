//! How far others can reach a transfer, as far as other members have shown.

use minimodel::clock::utc;
use minimodel_swarm::driver;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::forms::{AddressForm, PeerIdForm, TimeForm};

/// How far others can reach a transfer. Members tell each other only where both sides' users agreed to `publish`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reach {
    /// By IPv4.
    pub ipv4: FamilyReach,
    /// By IPv6.
    pub ipv6: FamilyReach,
}

/// How far others can reach a transfer by one address family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FamilyReach {
    /// How routers on the way translate its address.
    pub translation: Translation,
    /// Where members see it; at least two in different networks say so.
    #[schema(value_type = Option<AddressForm>)]
    pub address: Option<String>,
    /// The last peer that came from the public Internet although nothing was ever sent there.
    pub visit: Option<Visit>,
}

/// How routers on the way translate an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Translation {
    /// Too few members said what they see.
    #[default]
    Unknown,
    /// Not at all.
    None,
    /// The same way for every member (endpoint-independent mapping, RFC 4787).
    Same,
    /// To another port for each member, so that no offer can name one.
    Varies,
}

/// A peer that came unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Visit {
    /// Who.
    #[schema(value_type = PeerIdForm)]
    pub peer: String,
    /// From where.
    #[schema(value_type = AddressForm)]
    pub from: String,
    /// When.
    #[schema(value_type = TimeForm)]
    pub at_utc: String,
}

impl From<&driver::Reach> for Reach {
    fn from(reach: &driver::Reach) -> Self {
        Self {
            ipv4: FamilyReach::new(reach.ipv4, reach.visit_ipv4),
            ipv6: FamilyReach::new(reach.ipv6, reach.visit_ipv6),
        }
    }
}

impl FamilyReach {
    fn new(seen: driver::Translation, visit: Option<driver::Visit>) -> Self {
        Self {
            translation: match seen {
                driver::Translation::Unknown => Translation::Unknown,
                driver::Translation::None(_) => Translation::None,
                driver::Translation::Same(_) => Translation::Same,
                driver::Translation::Varies => Translation::Varies,
            },
            address: seen.address().map(|address| address.to_string()),
            visit: visit.map(|visit| Visit {
                peer: visit.peer.to_string(),
                from: visit.from.to_string(),
                at_utc: utc(visit.unix),
            }),
        }
    }
}
