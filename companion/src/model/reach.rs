//! How far others can reach a transfer, as far as other members have shown.

use minimodel::clock::utc;
use minimodel::transfer::{MappingState, Way, WayEvent};
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
    /// The mapping that the router was asked for.
    #[serde(default)]
    pub mapping: MappingReach,
    /// The network at hand.
    #[serde(default)]
    pub lan: WayReach,
    /// The public DHT.
    #[serde(default)]
    pub dht: WayReach,
}

/// The mapping of the user's router.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MappingReach {
    /// Where it stands.
    pub stand: MappingStand,
    /// The address outside at which the router lets others in.
    #[schema(value_type = Option<AddressForm>)]
    pub external: Option<String>,
    /// The protocol by which it was granted.
    pub by: Option<String>,
    /// Why there is none.
    pub why: Option<String>,
}

/// Where a mapping stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MappingStand {
    /// The user did not agree to it.
    #[default]
    Off,
    /// The router is asked.
    Asked,
    /// The router keeps one. Whether others come through is shown by those who come.
    Mapped,
    /// The router keeps none; it is asked again.
    Failed,
}

/// A way to find others and to be found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WayReach {
    /// Where it stands.
    pub stand: WayStand,
    /// Peers that were found there and proved that they know the swarm.
    pub found: u64,
    /// Addresses that were found there and at which nobody proved it.
    pub unproved: u64,
    /// Why it is of no use now.
    pub why: Option<String>,
}

/// Where a way to find others stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WayStand {
    /// The user did not agree to it.
    #[default]
    Off,
    /// It is used.
    On,
    /// It is of no use now, and is tried again.
    Failed,
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

impl Reach {
    /// What members have shown of a transfer, beside what is known of the ways that its user agreed to.
    pub fn beside(seen: &driver::Reach, ways: &Self) -> Self {
        let Self { ipv4, ipv6, .. } = Self::from(seen);
        Self { ipv4, ipv6, ..ways.clone() }
    }

    /// Notes what happened on a way.
    pub fn note(&mut self, event: &WayEvent) {
        match event {
            WayEvent::Asked => self.mapping.stand = MappingStand::Asked,
            WayEvent::Begun { way, .. } => self.way(*way).stand = WayStand::On,
            WayEvent::Mapping(state) => self.mapping = MappingReach::from(state),
            WayEvent::Found { way, .. } => {
                let of = self.way(*way);
                (of.stand, of.found, of.why) = (WayStand::On, of.found.saturating_add(1), None);
            }
            WayEvent::NotProved { way, .. } => {
                let of = self.way(*way);
                of.unproved = of.unproved.saturating_add(1);
            }
            WayEvent::Works { way } => {
                let of = self.way(*way);
                (of.stand, of.why) = (WayStand::On, None);
            }
            WayEvent::Failed { way, fault } => {
                let of = self.way(*way);
                (of.stand, of.why) = (WayStand::Failed, Some(fault.to_string()));
            }
            _ => {}
        }
    }

    fn way(&mut self, way: Way) -> &mut WayReach {
        match way {
            Way::Lan => &mut self.lan,
            Way::Dht => &mut self.dht,
        }
    }
}

impl From<&MappingState> for MappingReach {
    fn from(state: &MappingState) -> Self {
        match state {
            MappingState::Trying => Self { stand: MappingStand::Asked, ..Self::default() },
            MappingState::Mapped(mapping) => Self {
                stand: MappingStand::Mapped,
                external: Some(mapping.external.to_string()),
                by: Some(mapping.by.to_string()),
                why: None,
            },
            MappingState::Failed(why) => {
                Self { stand: MappingStand::Failed, why: Some(why.to_string()), ..Self::default() }
            }
        }
    }
}

impl From<&driver::Reach> for Reach {
    fn from(reach: &driver::Reach) -> Self {
        Self {
            ipv4: FamilyReach::new(reach.ipv4, reach.visit_ipv4),
            ipv6: FamilyReach::new(reach.ipv6, reach.visit_ipv6),
            ..Self::default()
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
