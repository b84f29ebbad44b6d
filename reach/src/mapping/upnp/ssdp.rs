//! SSDP: the search for a gateway device, and its answers (UPnP Device Architecture 1.1, section 1.3).

use std::net::SocketAddr;

/// The devices that are searched. A device of version 2 answers for version 1, too, but not all do.
pub(super) const TARGETS: [&str; 2] = [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
];

/// A search sent to one host, which answers at once: it has no MX (section 1.3.2).
pub(super) fn search_at(host: SocketAddr, target: &str) -> String {
    format!("M-SEARCH * HTTP/1.1\r\nHOST: {host}\r\nMAN: \"ssdp:discover\"\r\nST: {target}\r\n\r\n")
}

/// A search sent to the group, whose members wait up to 1 s before they answer.
pub(super) fn search_group(group: SocketAddr, target: &str) -> String {
    format!("M-SEARCH * HTTP/1.1\r\nHOST: {group}\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: {target}\r\n\r\n")
}

/// The place of the description that an answer names (section 1.3.3).
pub(super) fn location(datagram: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(datagram).ok()?;
    let mut lines = text.split("\r\n");
    let mut status = lines.next()?.split(' ');
    if !status.next()?.starts_with("HTTP/1.") || status.next()? != "200" {
        return None;
    }
    let fields = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
    let mut locations = fields.filter(|(name, _)| name.trim().eq_ignore_ascii_case("location"));
    locations.next().map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn searches_have_the_lines_of_the_architecture() {
        let host = SocketAddr::from(([192, 168, 1, 1], 1900));
        assert_eq!(
            search_at(host, TARGETS[0]),
            "M-SEARCH * HTTP/1.1\r\nHOST: 192.168.1.1:1900\r\nMAN: \"ssdp:discover\"\r\n\
             ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
        );
        assert!(search_group(host, TARGETS[1]).contains("\r\nMX: 1\r\n"));
    }

    #[test]
    fn location_is_read_whatever_its_case() {
        let answer =
            "HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLocation:http://192.168.1.1:5000/d.xml\r\n\r\n";
        assert_eq!(location(answer.as_bytes()), Some("http://192.168.1.1:5000/d.xml"));
    }

    #[test]
    fn other_messages_have_no_location() {
        for text in [
            "",
            "HTTP/1.1 404 Not Found\r\nLOCATION: http://192.168.1.1/\r\n\r\n",
            "NOTIFY * HTTP/1.1\r\nLOCATION: http://192.168.1.1/\r\n\r\n",
            "HTTP/1.1 200 OK\r\nST: a\r\n\r\nLOCATION: http://192.168.1.1/\r\n",
            "HTTP/1.1 200 OK",
        ] {
            assert_eq!(location(text.as_bytes()), None, "{text}");
        }
        assert_eq!(location(b"HTTP/1.1 200 OK\r\nLOCATION: \xff\r\n\r\n"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            location(&bytes);
        }
    }
}
