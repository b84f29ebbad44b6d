//! SOAP calls of the services that map ports, and their answers (UPnP Device Architecture 1.1, section 3; WANIPConnection 1 and 2).

use std::net::Ipv4Addr;

use super::super::machine::ServiceKind;
use super::xml;

/// The external port is taken (WANIPConnection, section 2.4.16).
pub(super) const CONFLICT: u16 = 718;

/// The router knows permanent mappings alone (WANIPConnection, section 2.4.16).
pub(super) const ONLY_PERMANENT: u16 = 725;

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    kind: ServiceKind,
    action: &'static str,
    arguments: Vec<(&'static str, String)>,
}

/// A mapping that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) external_port: u16,
    pub(super) internal_port: u16,
    pub(super) own: Ipv4Addr,
    /// In seconds; 0 is for ever.
    pub(super) lifetime: u32,
    pub(super) description: &'a str,
}

impl Call {
    pub(super) fn external_address(kind: ServiceKind) -> Self {
        Self { kind, action: "GetExternalIPAddress", arguments: Vec::new() }
    }

    pub(super) fn add(kind: ServiceKind, wanted: Wanted<'_>) -> Self {
        let arguments = vec![
            ("NewRemoteHost", String::new()),
            ("NewExternalPort", wanted.external_port.to_string()),
            ("NewProtocol", "UDP".to_owned()),
            ("NewInternalPort", wanted.internal_port.to_string()),
            ("NewInternalClient", wanted.own.to_string()),
            ("NewEnabled", "1".to_owned()),
            ("NewPortMappingDescription", wanted.description.to_owned()),
            ("NewLeaseDuration", wanted.lifetime.to_string()),
        ];
        Self { kind, action: "AddPortMapping", arguments }
    }

    pub(super) fn delete(kind: ServiceKind, external_port: u16) -> Self {
        let arguments = vec![
            ("NewRemoteHost", String::new()),
            ("NewExternalPort", external_port.to_string()),
            ("NewProtocol", "UDP".to_owned()),
        ];
        Self { kind, action: "DeletePortMapping", arguments }
    }

    /// The value of the field `SOAPAction`.
    pub(super) fn action(&self) -> String {
        format!("\"{}#{}\"", urn(self.kind), self.action)
    }

    /// The body of the request.
    pub(super) fn body(&self) -> String {
        let arguments: String = self
            .arguments
            .iter()
            .map(|(name, value)| format!("<{name}>{}</{name}>", xml::escape(value)))
            .collect();
        let (action, urn) = (self.action, urn(self.kind));
        format!(
            "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:{action} xmlns:u=\"{urn}\">{arguments}\
             </u:{action}></s:Body></s:Envelope>\r\n"
        )
    }

    /// Reads whether the answer is the one to this call.
    pub(super) fn read(&self, text: &str) -> Answer {
        let response = format!("{}Response", self.action);
        let (mut is_answer, mut external, mut code) = (false, None, None);
        let read = xml::for_each(text, |name, text| match name {
            "NewExternalIPAddress" => external = text.parse().ok(),
            "errorCode" => code = text.parse().ok(),
            _ => is_answer |= name == response,
        });
        match (read, code) {
            (Err(_), _) => Answer::Garbled,
            (Ok(()), Some(code)) => Answer::Fault(code),
            (Ok(()), None) if is_answer => Answer::Done { external },
            (Ok(()), None) => Answer::Garbled,
        }
    }
}

/// An answer to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was done; an external address, if one was told.
    Done { external: Option<Ipv4Addr> },
    /// It was refused (UPnP Device Architecture 1.1, section 3.2.5).
    Fault(u16),
    /// It is no answer to the call.
    Garbled,
}

const IP2: &str = "urn:schemas-upnp-org:service:WANIPConnection:2";
const IP1: &str = "urn:schemas-upnp-org:service:WANIPConnection:1";
const PPP1: &str = "urn:schemas-upnp-org:service:WANPPPConnection:1";

fn urn(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Ip2 => IP2,
        ServiceKind::Ip1 => IP1,
        ServiceKind::Ppp1 => PPP1,
    }
}

/// The kind of a service that maps ports.
pub(super) fn kind(urn: &str) -> Option<ServiceKind> {
    match urn {
        IP2 => Some(ServiceKind::Ip2),
        IP1 => Some(ServiceKind::Ip1),
        PPP1 => Some(ServiceKind::Ppp1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted(description: &str) -> Wanted<'_> {
        let own = Ipv4Addr::new(192, 168, 1, 7);
        Wanted { external_port: 8081, internal_port: 8080, own, lifetime: 3600, description }
    }

    #[test]
    fn add_has_all_arguments_in_their_order() {
        let call = Call::add(ServiceKind::Ip1, wanted("minimodel"));
        assert_eq!(call.action(), "\"urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping\"");
        let inner = "<NewRemoteHost></NewRemoteHost><NewExternalPort>8081</NewExternalPort><NewProtocol>UDP</NewProtocol>\
                     <NewInternalPort>8080</NewInternalPort><NewInternalClient>192.168.1.7</NewInternalClient>\
                     <NewEnabled>1</NewEnabled><NewPortMappingDescription>minimodel</NewPortMappingDescription>\
                     <NewLeaseDuration>3600</NewLeaseDuration></u:AddPortMapping>";
        assert!(call.body().contains(inner), "{}", call.body());
    }

    #[test]
    fn values_are_escaped() {
        let body = Call::add(ServiceKind::Ip2, wanted("a</x>&'\"")).body();
        assert!(body.contains(">a&lt;/x&gt;&amp;&apos;&quot;<"), "{body}");
    }

    #[test]
    fn external_address_is_read_from_its_response() {
        let text = "<s:Envelope><s:Body><u:GetExternalIPAddressResponse><NewExternalIPAddress>8.8.4.4</NewExternalIPAddress>\
                    </u:GetExternalIPAddressResponse></s:Body></s:Envelope>";
        let external = Some(Ipv4Addr::new(8, 8, 4, 4));
        assert_eq!(Call::external_address(ServiceKind::Ip1).read(text), Answer::Done { external });
        assert_eq!(Call::delete(ServiceKind::Ip1, 1).read(text), Answer::Garbled);
    }

    #[test]
    fn faults_are_read_with_their_code() {
        let fault = |code: &str| {
            format!(
                "<s:Envelope><s:Body><s:Fault><detail><UPnPError><errorCode>{code}</errorCode></UPnPError></detail></s:Fault></s:Body>\
                 </s:Envelope>"
            )
        };
        let call = Call::delete(ServiceKind::Ppp1, 1);
        assert_eq!(call.read(&fault("718")), Answer::Fault(CONFLICT));
        assert_eq!(call.read(&fault("many")), Answer::Garbled);
        assert_eq!(call.read("<html>"), Answer::Garbled);
        assert_eq!(call.read(""), Answer::Garbled);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(<[a-zA-Z:/]{0,9}>?|\\PC){0,30}") {
            Call::external_address(ServiceKind::Ip1).read(&text);
        }
    }
}
