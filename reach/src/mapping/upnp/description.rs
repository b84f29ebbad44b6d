//! The description of a device: which of its services map ports.

use super::super::limits::upnp as limits;
use super::super::machine::{Service, ServiceKind};
use super::soap;
use super::url::RouterUrl;
use super::xml;

/// The services that map ports, best first. What stands at another host is left out.
pub(super) fn services(text: &str, location: &RouterUrl) -> Vec<Service> {
    let mut base = None;
    let (mut kind, mut control) = (None, None);
    let mut found: Vec<(ServiceKind, String)> = Vec::new();
    let read = xml::for_each(text, |name, text| match name {
        "URLBase" => base = Some(text.to_owned()),
        "serviceType" => kind = soap::kind(text),
        "controlURL" => control = Some(text.to_owned()),
        "service" => {
            if let (Some(kind), Some(control)) = (kind.take(), control.take()) {
                found.push((kind, control));
            }
            (kind, control) = (None, None);
        }
        _ => {}
    });
    if read.is_err() {
        return Vec::new();
    }
    // Devices of UPnP 1.0 name the base of their URLs; one at another host is no base of ours.
    let base = match base.filter(|base| !base.is_empty()) {
        Some(base) => RouterUrl::parse(&base, *location.at.ip()),
        None => Some(location.clone()),
    };
    let Some(base) = base else { return Vec::new() };
    found.sort_by_key(|(kind, _)| *kind);
    let services = found.into_iter().filter_map(|(kind, control)| {
        let RouterUrl { at, path } = base.join(&control)?;
        Some(Service { kind, at, path })
    });
    services.take(limits::SERVICES).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn location() -> RouterUrl {
        RouterUrl::parse("http://192.168.1.1:5000/rootDesc.xml", Ipv4Addr::new(192, 168, 1, 1))
            .expect("a URL")
    }

    fn service(kind: &str, control: &str) -> String {
        format!(
            "<device><serviceList><service><serviceType>urn:schemas-upnp-org:service:{kind}</serviceType>\
             <controlURL>{control}</controlURL></service></serviceList></device>"
        )
    }

    fn found(inner: &str) -> Vec<(ServiceKind, u16, String)> {
        let text =
            format!("<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\">{inner}</root>");
        let list = services(&text, &location());
        list.into_iter().map(|service| (service.kind, service.at.port(), service.path)).collect()
    }

    #[test]
    fn services_that_map_ports_are_found_best_first() {
        let inner = [
            service("WANPPPConnection:1", "/ppp"),
            service("Layer3Forwarding:1", "/l3f"),
            service("WANIPConnection:1", "ctl/ip"),
            service("WANIPConnection:2", "http://192.168.1.1:7/ip2"),
        ];
        let expected = vec![
            (ServiceKind::Ip2, 7, "/ip2".to_owned()),
            (ServiceKind::Ip1, 5000, "/ctl/ip".to_owned()),
            (ServiceKind::Ppp1, 5000, "/ppp".to_owned()),
        ];
        assert_eq!(found(&inner.concat()), expected);
    }

    #[test]
    fn url_base_moves_control_urls_at_the_router_alone() {
        let inner = service("WANIPConnection:1", "ip");
        let moved = found(&format!("<URLBase>http://192.168.1.1:49000/a/</URLBase>{inner}"));
        assert_eq!(moved, [(ServiceKind::Ip1, 49_000, "/a/ip".to_owned())]);
        assert_eq!(found(&format!("<URLBase>http://8.8.8.8/</URLBase>{inner}")), []);
        assert_eq!(found(&format!("<URLBase></URLBase>{inner}")).len(), 1);
    }

    #[test]
    fn control_urls_at_another_host_are_left_out() {
        assert_eq!(found(&service("WANIPConnection:1", "http://192.168.1.2/ip")), []);
        assert_eq!(found(&service("WANIPConnection:1", "")), []);
    }

    #[test]
    fn a_control_url_belongs_to_its_own_service() {
        let inner = "<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType></service>\
                     <service><controlURL>/other</controlURL></service>";
        assert_eq!(found(inner), []);
    }
}
