//! What routers are in front of whom.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use minimodel_sim::{Filter, Internet, Mapping, Router};

/// The member that both reach, the seeder, and the one that looks for it.
pub(crate) const MEMBER: usize = 0;
pub(crate) const HIDDEN: usize = 1;
pub(crate) const LOOKS: usize = 2;
/// Where each host has its address, and where all programs listen.
pub(crate) const INSIDE: [Ipv4Addr; 3] =
    [Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(192, 168, 1, 2), Ipv4Addr::new(192, 168, 2, 2)];
pub(crate) const PORT: u16 = 4433;

/// Kinds of routers with a name.
type Kind = (&'static str, &'static [Router]);

/// A pair of hosts and the routers in front of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// The seeder behind the first, the other behind the second.
    Apart(Kind, Kind),
    /// Both in one network behind one router, which does not turn packets round.
    AtHome(Kind),
    /// Both behind routers at home, and these behind one of their carrier. It turns packets round, or it does not.
    OneCarrier(bool),
}

impl Setting {
    /// Returns true if the two can be connected.
    pub(crate) fn can_meet(self) -> bool {
        match self {
            Self::Apart((_, one), (_, other)) => Router::can_meet(one, other),
            // The seeder's offer was handed over, and it names the address inside.
            Self::AtHome(_) => true,
            Self::OneCarrier(hairpins) => hairpins,
        }
    }

    /// The hosts and routers.
    pub(crate) fn internet(self) -> Internet {
        let mut internet = Internet::default();
        let address = |host: usize| SocketAddr::from((INSIDE[host], PORT));
        internet.place(MEMBER, address(MEMBER), None);
        match self {
            Self::Apart((_, hidden), (_, looks)) => {
                for (host, row) in [(HIDDEN, hidden), (LOOKS, looks)] {
                    let mut outer = None;
                    for &router in row.iter().rev() {
                        let ip = if outer.is_none() { outside(host) } else { at_carrier(host) };
                        outer = Some(internet.add(router, ip, outer));
                    }
                    internet.place(host, address(host), outer);
                }
            }
            Self::AtHome((_, row)) => {
                let mut outer = None;
                for &router in row.iter().rev() {
                    let ip = if outer.is_none() { outside(HIDDEN) } else { at_carrier(HIDDEN) };
                    outer = Some(internet.add(router, ip, outer));
                }
                for host in [HIDDEN, LOOKS] {
                    internet.place(host, address(host), outer);
                }
            }
            Self::OneCarrier(hairpins) => {
                let same = Router::of(Mapping::Same, Filter::Port);
                let carrier = internet.add(Router { hairpins, ..same }, outside(HIDDEN), None);
                for host in [HIDDEN, LOOKS] {
                    let home = internet.add(same, at_carrier(host), Some(carrier));
                    internet.place(host, address(host), Some(home));
                }
            }
        }
        internet
    }

    /// The address that a host's user names in the offer: the one that is mapped. `None`: the program's own choice.
    pub(crate) fn advertised(self, host: usize) -> Option<SocketAddr> {
        let row = match self {
            _ if host == MEMBER => return Some((INSIDE[MEMBER], PORT).into()),
            Self::Apart((_, hidden), _) if host == HIDDEN => hidden,
            Self::Apart(_, (_, looks)) => looks,
            Self::AtHome(_) | Self::OneCarrier(_) => return None,
        };
        let is_mapped = row.iter().all(|router| router.filter == Filter::None);
        is_mapped.then(|| SocketAddr::new(outside(host), PORT))
    }
}

/// The address of the last router in front of a host, in a network of its own.
fn outside(host: usize) -> IpAddr {
    let host = u8::try_from(host).unwrap_or(u8::MAX);
    [203, 0, 112 + host, 7].into()
}

/// The address of a router at home in the network of a carrier.
fn at_carrier(host: usize) -> IpAddr {
    let host = u8::try_from(host).unwrap_or(u8::MAX);
    [100, 64, host, 1].into()
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apart((one, _), (other, _)) => write!(f, "{one} / {other}"),
            Self::AtHome((one, _)) => write!(f, "{AT_HOME}{one}"),
            Self::OneCarrier(true) => f.write_str(TURNS),
            Self::OneCarrier(false) => f.write_str(TURNS_NOT),
        }
    }
}

const AT_HOME: &str = "at home: ";
const TURNS: &str = "one carrier, turns round";
const TURNS_NOT: &str = "one carrier";

/// A setting by its name.
pub(crate) fn parse(text: &str) -> Result<Setting, String> {
    let kind = |name: &str| {
        let found = Router::KINDS.into_iter().find(|(kind, _)| *kind == name.trim());
        let known = || Router::KINDS.map(|(kind, _)| format!("`{kind}`")).join(" ");
        found.ok_or_else(|| format!("`{name}` is none of {}", known()))
    };
    match (text, text.strip_prefix(AT_HOME), text.split_once('/')) {
        (TURNS, ..) => Ok(Setting::OneCarrier(true)),
        (TURNS_NOT, ..) => Ok(Setting::OneCarrier(false)),
        (_, Some(name), _) => Ok(Setting::AtHome(kind(name)?)),
        (_, _, Some((one, other))) => Ok(Setting::Apart(kind(one)?, kind(other)?)),
        _ => Err(format!("neither `A / B`, nor `{AT_HOME}A`, `{TURNS_NOT}` or `{TURNS}`")),
    }
}

/// Those that are run unless others are asked for.
pub(crate) fn default() -> Vec<Setting> {
    let names = [
        "same, port / same, port",
        "same, address / random",
        "random, any / sequential",
        "same, carrier same / same, port",
        "random / same, port",
        "at home: same, port",
        TURNS,
    ];
    names.iter().filter_map(|name| parse(name).ok()).collect()
}

/// All of them.
pub(crate) fn all() -> Vec<Setting> {
    let pairs = Router::KINDS.map(|one| Router::KINDS.map(|other| Setting::Apart(one, other)));
    let at_home = Router::KINDS.map(Setting::AtHome);
    let carriers = [Setting::OneCarrier(true), Setting::OneCarrier(false)];
    pairs.into_iter().flatten().chain(at_home).chain(carriers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_a_name_that_leads_back_to_it() {
        assert_eq!((default().len(), all().len()), (7, 11 * 11 + 11 + 2));
        for setting in all() {
            assert_eq!(parse(&setting.to_string()), Ok(setting));
        }
        assert!(parse("same / random").is_err() && parse("random").is_err());
    }

    #[test]
    fn host_names_an_outer_address_only_where_it_is_mapped() {
        let setting = parse("random, mapped / same, any").unwrap();
        assert_eq!(setting.advertised(HIDDEN), Some("203.0.113.7:4433".parse().unwrap()));
        assert_eq!(setting.advertised(LOOKS), None);
        assert_eq!(parse("at home: public").unwrap().advertised(LOOKS), None);
    }

    #[test]
    fn addresses_are_in_the_half_that_devices_take() {
        assert!(INSIDE.iter().all(|ip| ip.octets()[0] >= 128));
        assert!(
            [HIDDEN, LOOKS]
                .iter()
                .all(|&host| matches!(outside(host), IpAddr::V4(ip) if ip.octets()[0] >= 128))
        );
    }
}
