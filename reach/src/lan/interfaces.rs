use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use if_addrs::Interface;

/// Beginnings of the names of interfaces that lead to containers, virtual machines and tunnels.
const VIRTUAL: [&str; 11] =
    ["docker", "veth", "virbr", "cni", "flannel", "tun", "tap", "wg", "tailscale", "utun", "vmnet"];

/// The network interfaces on which members are announced and looked for.
///
/// An interface is used by its private IPv4 address (RFC 1918 or link-local), or if it has none, by its unique local or link-local IPv6
/// addresses. One family an interface halves the traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LanInterfaces {
    /// All but loopback, and those whose names are of containers, virtual machines and tunnels: `docker*`, `veth*`, `br-<12 hex digits>`,
    /// `virbr*`, `cni*`, `flannel*`, `tun*`, `tap*`, `wg*`, `tailscale*`, `utun*`, `vmnet*`.
    #[default]
    Private,
    /// These alone, whatever their kind. Loopback and public addresses stay out.
    Named(Vec<String>),
    /// Loopback alone: for tests.
    Loopback,
}

impl LanInterfaces {
    /// Returns true if `ip` of the interface `name` is used; `all` are the addresses of all interfaces.
    pub(super) fn choose(&self, name: &str, ip: IpAddr, all: &[(String, IpAddr)]) -> bool {
        if !self.is_named(name) || !self.is_near(ip) {
            return false;
        }
        ip.is_ipv4() || !all.iter().any(|(other, ip)| other == name && ip.is_ipv4() && self.is_near(*ip))
    }

    /// Returns true if a member at `ip` can be on a network that these settings allow.
    pub(super) fn is_near(&self, ip: IpAddr) -> bool {
        match (self, ip) {
            (Self::Loopback, ip) => ip.is_loopback(),
            (_, IpAddr::V4(ip)) => is_private_v4(ip),
            (_, IpAddr::V6(ip)) => is_private_v6(ip),
        }
    }

    fn is_named(&self, name: &str) -> bool {
        match self {
            Self::Private => !is_virtual(name),
            Self::Named(names) => names.iter().any(|wanted| wanted == name),
            Self::Loopback => true,
        }
    }
}

/// Names and addresses of the interfaces of this machine.
pub(super) fn addresses() -> Vec<(String, IpAddr)> {
    let interfaces: Vec<Interface> = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.into_iter().map(|interface| (interface.name.clone(), interface.ip())).collect()
}

fn is_virtual(name: &str) -> bool {
    VIRTUAL.iter().any(|prefix| name.starts_with(prefix)) || is_docker_bridge(name)
}

fn is_docker_bridge(name: &str) -> bool {
    name.strip_prefix("br-")
        .is_some_and(|id| id.len() == 12 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    ip.is_private() || ip.is_link_local()
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    ip.is_unique_local() || ip.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(rule: &LanInterfaces, all: &[(&str, &str)]) -> Vec<String> {
        let all: Vec<(String, IpAddr)> =
            all.iter().map(|(name, ip)| ((*name).to_owned(), ip.parse().unwrap())).collect();
        let chosen = all.iter().filter(|(name, ip)| rule.choose(name, *ip, &all));
        chosen.map(|(name, ip)| format!("{name} {ip}")).collect()
    }

    #[test]
    fn private_addresses_of_real_interfaces_are_chosen() {
        let all = [
            ("lo", "127.0.0.1"),
            ("lo", "::1"),
            ("eth0", "192.168.1.7"),
            ("eth0", "fe80::1"),
            ("wlan0", "10.0.0.9"),
            ("enp3s0", "fd00::3"),
            ("enp3s0", "2001:db8::3"),
            ("ppp0", "203.0.113.5"),
            ("cgn0", "100.64.0.2"),
            ("zt0", "169.254.3.4"),
        ];
        let expected = ["eth0 192.168.1.7", "wlan0 10.0.0.9", "enp3s0 fd00::3", "zt0 169.254.3.4"];
        assert_eq!(chosen(&LanInterfaces::Private, &all), expected);
    }

    #[test]
    fn a_public_ipv4_address_leaves_ipv6_in_use() {
        let all = [("eth0", "203.0.113.5"), ("eth0", "fe80::1")];
        assert_eq!(chosen(&LanInterfaces::Private, &all), ["eth0 fe80::1"]);
    }

    #[test]
    fn virtual_interfaces_are_not_chosen_unless_named() {
        let names = [
            "docker0",
            "veth12ab",
            "br-0123456789ab",
            "virbr0",
            "cni0",
            "flannel.1",
            "tun0",
            "tap1",
            "wg0",
            "tailscale0",
            "utun3",
            "vmnet8",
        ];
        for name in names {
            let all = [(name, "172.17.0.1")];
            assert!(chosen(&LanInterfaces::Private, &all).is_empty(), "{name}");
            assert_eq!(chosen(&LanInterfaces::Named(vec![name.to_owned()]), &all).len(), 1, "{name}");
        }
    }

    #[test]
    fn bridges_of_other_names_are_chosen() {
        for name in ["br-lan", "br0", "br-0123456789aB", "br-0123456789abc"] {
            assert_eq!(chosen(&LanInterfaces::Private, &[(name, "192.168.1.1")]).len(), 1, "{name}");
        }
    }

    #[test]
    fn a_named_interface_excludes_all_others() {
        let rule = LanInterfaces::Named(vec!["wlan0".to_owned()]);
        let all = [("wlan0", "10.0.0.9"), ("eth0", "10.0.1.9"), ("wlan0", "198.51.100.2")];
        assert_eq!(chosen(&rule, &all), ["wlan0 10.0.0.9"]);
    }

    #[test]
    fn the_loopback_rule_chooses_loopback_alone() {
        let all = [("lo", "127.0.0.1"), ("lo", "::1"), ("eth0", "10.0.1.9")];
        assert_eq!(chosen(&LanInterfaces::Loopback, &all), ["lo 127.0.0.1"]);
    }

    #[test]
    fn twelve_container_interfaces_leave_the_one_real() {
        let mut all: Vec<(String, String)> =
            (0..12).map(|i| (format!("veth{i:06x}"), format!("172.18.{i}.1"))).collect();
        all.push(("eth0".to_owned(), "192.168.0.2".to_owned()));
        let all: Vec<(&str, &str)> = all.iter().map(|(name, ip)| (name.as_str(), ip.as_str())).collect();
        assert_eq!(chosen(&LanInterfaces::Private, &all), ["eth0 192.168.0.2"]);
    }
}
