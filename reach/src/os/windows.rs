//! Windows: the command `route.exe print -4 0.0.0.0`. Its words are translated, its columns of numbers are not.

use std::net::Ipv4Addr;

#[cfg(windows)]
pub(super) fn default_gateway() -> Option<Ipv4Addr> {
    // By its whole path: a name alone would be looked for beside this program first.
    let root = std::path::PathBuf::from(std::env::var_os("SystemRoot")?);
    let program = root.join("System32").join("route.exe");
    let arguments = ["print", "-4", "0.0.0.0"];
    let text = program.is_absolute().then(|| super::output_of(&program, &arguments));
    gateway(&text??)
}

/// Reads the gateway of the active default route with the lowest metric.
fn gateway(text: &str) -> Option<Ipv4Addr> {
    text.lines().filter_map(default_route).min_by_key(|(metric, _)| *metric).map(|(_, gateway)| gateway)
}

/// Metric and gateway, if the line has the columns destination, mask, gateway, interface, metric of a default route. Persistent
/// routes have four columns, those over an interface alone a word in place of the gateway.
fn default_route(line: &str) -> Option<(u32, Ipv4Addr)> {
    let columns: Vec<&str> = line.split_whitespace().take(6).collect();
    let &["0.0.0.0", "0.0.0.0", gateway, interface, metric] = columns.as_slice() else { return None };
    interface.parse::<Ipv4Addr>().ok()?;
    let gateway: Ipv4Addr = gateway.parse().ok()?;
    (!gateway.is_unspecified()).then_some((metric.parse().ok()?, gateway))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_default_route_of_the_lowest_metric_is_chosen() {
        let text = "IPv4-Routentabelle\r\n=====\r\nAktive Routen:\r\n     Netzwerkziel    Netzwerkmaske          Gateway    Schnittstelle \
                    Metrik\r\n          0.0.0.0          0.0.0.0      192.168.1.1     192.168.1.23     35\r\n          0.0.0.0          \
                    0.0.0.0         10.0.0.1         10.0.0.7     25\r\n=====\r\nSt\u{fffd}ndige Routen:\r\n  0.0.0.0          0.0.0.0      \
                    172.16.0.1       1\r\n";
        assert_eq!(gateway(text), Some(Ipv4Addr::new(10, 0, 0, 1)));
    }

    #[test]
    fn other_lines_are_no_default_routes() {
        for text in [
            "",
            "0.0.0.0 0.0.0.0 192.168.1.1 1",
            "0.0.0.0 0.0.0.0 On-link 10.8.0.2 5",
            "0.0.0.0 128.0.0.0 10.8.0.1 10.8.0.2 5",
            "0.0.0.0 0.0.0.0 192.168.1.1 192.168.1.2 25 1",
            "0.0.0.0 0.0.0.0 192.168.1.1 192.168.1.2 many",
        ] {
            assert_eq!(gateway(text), None, "{text}");
        }
    }
}
