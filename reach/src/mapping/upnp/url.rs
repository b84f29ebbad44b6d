//! URLs at the router: `http://` and its literal address, no other.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::super::limits::upnp as limits;

const SCHEME: &str = "http://";

/// A URL at the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RouterUrl {
    pub(super) at: SocketAddrV4,
    /// Begins with `/`; with query, without fragment.
    pub(super) path: String,
}

impl RouterUrl {
    /// Reads an absolute URL. `None`: it is none of HTTP, or not at this address.
    pub(super) fn parse(text: &str, router: Ipv4Addr) -> Option<Self> {
        let text = text.trim();
        let (scheme, rest) = text.split_at_checked(SCHEME.len())?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return None;
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let at = match authority.split_once(':') {
            Some((host, port)) => SocketAddrV4::new(host.parse().ok()?, digits(port)?),
            None => SocketAddrV4::new(authority.parse().ok()?, 80),
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        (*at.ip() == router && at.port() != 0 && is_path(&path)).then_some(Self { at, path })
    }

    /// Reads a reference beside this URL: absolute, from the root, or relative (RFC 3986 section 5, without dot segments).
    pub(super) fn join(&self, reference: &str) -> Option<Self> {
        let reference = reference.trim();
        // `//host/path` would be another host.
        if reference.is_empty() || reference.starts_with("//") {
            return None;
        }
        if reference.contains("://") {
            return Self::parse(reference, *self.at.ip());
        }
        let path = if reference.starts_with('/') {
            reference.to_owned()
        } else {
            let own = self.path.split('?').next().unwrap_or_default();
            let folder = own.rfind('/').and_then(|slash| own.get(..=slash)).unwrap_or("/");
            format!("{folder}{reference}")
        };
        is_path(&path).then_some(Self { at: self.at, path })
    }
}

impl fmt::Display for RouterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}{}", self.at, self.path)
    }
}

fn digits(port: &str) -> Option<u16> {
    port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())?
}

/// Visible ASCII without what would end a path or a line of HTTP.
fn is_path(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\');
    path.len() <= limits::PATH_BYTES && path.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);

    fn parsed(text: &str) -> Option<String> {
        RouterUrl::parse(text, ROUTER).map(|url| url.to_string())
    }

    #[test]
    fn urls_at_the_router_are_accepted() {
        for (text, whole) in [
            ("http://192.168.1.1:5000/rootDesc.xml", "http://192.168.1.1:5000/rootDesc.xml"),
            (" HTTP://192.168.1.1/a?b=c ", "http://192.168.1.1:80/a?b=c"),
            ("http://192.168.1.1", "http://192.168.1.1:80/"),
            ("http://192.168.1.1?x", "http://192.168.1.1:80/?x"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(whole), "{text}");
        }
    }

    // Rows: H16
    #[test]
    fn urls_anywhere_else_are_refused() {
        for text in [
            "",
            "http://",
            "https://192.168.1.1/",
            "ftp://192.168.1.1/",
            "http://router.local/",
            "http://192.168.1.2/",
            "http://192.168.1.1@8.8.8.8/",
            "http://8.8.8.8@192.168.1.1/",
            "http://192.168.1.1:0/",
            "http://192.168.1.1:+80/",
            "http://192.168.1.1:99999/",
            "http://192.168.1/",
            "http://0300.168.1.1/",
            "http://[::1]/",
            "http://192.168.1.1/a b",
            "http://192.168.1.1/\r\nx: y",
            "http://192.168.1.1/#a",
            "http://192.168.1.1#@8.8.8.8/",
            "//192.168.1.1/",
            "/a",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    // Rows: H16
    #[test]
    fn references_stay_at_the_router() {
        let base = RouterUrl::parse("http://192.168.1.1:5000/igd/desc.xml?x=/y", ROUTER).expect("a URL");
        for (reference, whole) in [
            ("/ctl", Some("http://192.168.1.1:5000/ctl")),
            ("ctl", Some("http://192.168.1.1:5000/igd/ctl")),
            ("http://192.168.1.1:49152/c", Some("http://192.168.1.1:49152/c")),
            ("http://192.168.1.9/c", None),
            ("https://192.168.1.1/c", None),
            ("//8.8.8.8/c", None),
            ("", None),
        ] {
            assert_eq!(base.join(reference).map(|url| url.to_string()).as_deref(), whole, "{reference}");
        }
    }

    proptest! {
        #[test]
        fn no_text_leads_to_another_host(text in "\\PC*", reference in "(http://)?[/0-9.:@a]*") {
            prop_assert!(RouterUrl::parse(&text, ROUTER).is_none_or(|url| *url.at.ip() == ROUTER));
            let base = RouterUrl { at: SocketAddrV4::new(ROUTER, 80), path: "/".to_owned() };
            let joined = base.join(&reference);
            prop_assert!(joined.is_none_or(|url| *url.at.ip() == ROUTER && url.path.starts_with('/')));
        }
    }
}
