//! macOS: the command `route -n get default`, `route(8)`.

use std::net::Ipv4Addr;

#[cfg(target_os = "macos")]
pub(super) fn default_gateway() -> Option<Ipv4Addr> {
    let program = std::path::Path::new("/sbin/route");
    gateway(&super::output_of(program, &["-n", "get", "default"])?)
}

/// Reads the line `gateway:`. A route over an interface alone has none, or a name.
fn gateway(text: &str) -> Option<Ipv4Addr> {
    let address = text.lines().find_map(|line| line.trim().strip_prefix("gateway:"))?;
    address.trim().parse().ok().filter(|address: &Ipv4Addr| !address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateway_of_the_default_route_is_read() {
        let text = "   route to: default\ndestination: default\n       mask: default\n    gateway: 192.168.1.1\n  interface: en0\n      \
                    flags: <UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL>\n";
        assert_eq!(gateway(text), Some(Ipv4Addr::new(192, 168, 1, 1)));
    }

    #[test]
    fn routes_without_an_address_have_no_gateway() {
        for text in [
            "",
            "route: writing to routing socket: not in table\n",
            "  interface: utun3\n",
            "  gateway: link#5\n",
        ] {
            assert_eq!(gateway(text), None, "{text}");
        }
    }
}
