//! Linux: the kernel's table of IPv4 routes, `proc_pid_net(5)`.

use std::net::Ipv4Addr;

/// The route is up, and leads over a gateway (`RTF_UP | RTF_GATEWAY`).
const OVER_GATEWAY: u32 = 0x3;

#[cfg(target_os = "linux")]
pub(super) fn default_gateway() -> Option<Ipv4Addr> {
    let file = std::fs::File::open("/proc/net/route").ok()?;
    gateway(&super::bounded_text(file)?)
}

/// Reads the gateway of the default route with the lowest metric.
fn gateway(table: &str) -> Option<Ipv4Addr> {
    table
        .lines()
        .skip(1)
        .filter_map(default_route)
        .min_by_key(|(metric, _)| *metric)
        .map(|(_, gateway)| gateway)
}

/// Metric and gateway, if the line is a default route over a gateway. Columns: interface, destination, gateway, flags, references,
/// use, metric, mask; addresses are hexadecimal in the byte order of the processor.
fn default_route(line: &str) -> Option<(u32, Ipv4Addr)> {
    let columns: Vec<&str> = line.split_whitespace().take(8).collect();
    let &[_, destination, gateway, flags, _, _, metric, mask] = columns.as_slice() else { return None };
    let hexadecimal = |text| u32::from_str_radix(text, 16).ok();
    let is_default = hexadecimal(destination)? == 0 && hexadecimal(mask)? == 0;
    let is_over_gateway = hexadecimal(flags)? & OVER_GATEWAY == OVER_GATEWAY;
    let gateway = Ipv4Addr::from(hexadecimal(gateway)?.to_ne_bytes());
    (is_default && is_over_gateway && !gateway.is_unspecified()).then_some((metric.parse().ok()?, gateway))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    fn hexadecimal(address: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(address))
    }

    fn line(gateway: [u8; 4], flags: &str, metric: u32) -> String {
        format!("eth0\t00000000\t{}\t{flags}\t0\t0\t{metric}\t00000000\t0\t0\t0\n", hexadecimal(gateway))
    }

    #[test]
    fn default_route_of_the_lowest_metric_is_chosen() {
        let table = [
            HEAD,
            &line([192, 168, 1, 1], "0003", 600),
            &line([10, 0, 0, 1], "0003", 100),
            &format!(
                "eth0\t{}\t00000000\t0001\t0\t0\t100\t{}\t0\t0\t0\n",
                hexadecimal([10, 0, 0, 0]),
                hexadecimal([255, 255, 255, 0])
            ),
        ]
        .concat();
        assert_eq!(gateway(&table), Some(Ipv4Addr::new(10, 0, 0, 1)));
    }

    #[test]
    fn routes_that_are_down_or_have_no_gateway_are_ignored() {
        for text in [
            String::new(),
            HEAD.to_owned(),
            [HEAD, &line([10, 0, 0, 1], "0002", 0)].concat(),
            [HEAD, &line([0, 0, 0, 0], "0001", 0)].concat(),
            [HEAD, "eth0\t00000000\tzz\t0003\t0\t0\t1\t00000000\n"].concat(),
            [HEAD, "eth0 0"].concat(),
        ] {
            assert_eq!(gateway(&text), None, "{text}");
        }
    }

    #[test]
    fn a_default_route_beside_its_mask_is_needed() {
        let half = format!(
            "tun0\t00000000\t{}\t0003\t0\t0\t0\t{}\t0\t0\t0\n",
            hexadecimal([10, 8, 0, 1]),
            hexadecimal([128, 0, 0, 0])
        );
        assert_eq!(gateway(&[HEAD, &half].concat()), None);
    }
}
