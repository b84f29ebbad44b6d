//! Findings about ports and their reachability, judged from addresses alone: no peer is contacted.

use std::collections::BTreeMap;

use super::address::{Reach, reach};
use super::facts::{Bound, Facts, Listen, Offered};
use super::units::{size, transfers};
use super::{fail, ok, warn};
use crate::model::Finding;

/// Buffer size that the driver's sockets ask for (`swarm/src/driver/transport.rs`).
const WANTED_BUFFER: u64 = 4 << 20;

pub(super) fn ports(facts: &Facts) -> Vec<Finding> {
    const NAME: &str = "ports";
    let mut found = vec![match (&facts.no_ipv4, &facts.no_ipv6) {
        (None, None) => ok(NAME, "UDP sockets can be had, of IPv4 and of IPv6"),
        (None, Some(error)) => ok(NAME, format!("UDP sockets can be had of IPv4 alone; of IPv6: {error}")),
        (Some(error), None) => ok(NAME, format!("UDP sockets can be had of IPv6 alone; of IPv4: {error}")),
        (Some(error), Some(_)) => fail(
            NAME,
            format!("no UDP socket can be had: {error}"),
            "a sandbox or a security policy forbids it: run it where sockets are allowed",
        ),
    }];
    found.extend(facts.listens.iter().map(port));
    found
}

fn port(listen: &Listen) -> Finding {
    const NAME: &str = "ports";
    let Listen { transfer, address, is_running, bound } = listen;
    let who = format!("UDP {address} of transfer {transfer}");
    let restart = format!(
        "start it again: `minimodel transfer pause {transfer}`, then `minimodel transfer start {transfer}`"
    );
    match (bound, is_running) {
        (Bound::Taken, true) => ok(NAME, format!("{who} is taken, as it should be")),
        (Bound::Free, false) => ok(NAME, format!("{who} is free for when it runs")),
        (Bound::Free, true) => fail(NAME, format!("{who} is bound by nobody, although it runs"), restart),
        (Bound::Taken, false) => fail(
            NAME,
            format!("{who} is taken by another program"),
            format!(
                "see which: `ss -ulpn sport = :{}`; end it, or share at another port (`--listen`)",
                address.port()
            ),
        ),
        (Bound::Refused(error), _) => fail(
            NAME,
            format!("{who} cannot be had: {error}"),
            "share at an address of this machine and at a port from 1024 on (`--listen`)",
        ),
    }
}

/// Returns one finding for each group of transfers whose offers reach equally far.
pub(super) fn reachability(facts: &Facts) -> Vec<Finding> {
    const NAME: &str = "reachability";
    let (ended, good): (Vec<&Offered>, Vec<&Offered>) =
        facts.offered.iter().partition(|offered| offered.expires_unix <= facts.now_unix);
    let mut groups: BTreeMap<Reach, Vec<&Offered>> = BTreeMap::new();
    for offered in good {
        let best = offered.addresses.iter().map(|address| reach(address.ip())).max();
        groups.entry(best.unwrap_or(Reach::Nowhere)).or_default().push(offered);
    }
    let mut found: Vec<Finding> = groups.iter().map(|(reach, group)| reached(*reach, group)).collect();
    if !ended.is_empty() {
        let ids: Vec<u64> = ended.iter().map(|offered| offered.transfer).collect();
        let hint = "start it again (`minimodel transfer pause ID`, `minimodel transfer start ID`) and hand on its new offer";
        found.push(warn(
            NAME,
            format!("the offer of {} has ended: nobody new can come", transfers(&ids)),
            hint,
        ));
    }
    if found.is_empty() {
        found.push(ok(NAME, "no offer is out, so nobody is expected"));
    }
    found
}

fn reached(best: Reach, group: &[&Offered]) -> Finding {
    const NAME: &str = "reachability";
    let ids: Vec<u64> = group.iter().map(|offered| offered.transfer).collect();
    let offer = format!("the offer of {}", transfers(&ids));
    let ports = ports_of(group);
    let forward = format!(
        "for others: forward {ports} of the router to this machine, and share with `--advertise ADDR:PORT`, the router's \
         address outside and that port; or meet in a VPN"
    );
    match best {
        Reach::Everywhere => {
            let v4 = |offered: &&Offered| {
                let is_it =
                    |ip: std::net::IpAddr| ip.to_canonical().is_ipv4() && reach(ip) == Reach::Everywhere;
                offered.addresses.iter().any(|address| is_it(address.ip()))
            };
            let six = if group.iter().all(v4) { "" } else { " of IPv6 (whoever has IPv4 alone cannot come)" };
            ok(
                NAME,
                format!(
                    "{offer} names a public address{six}; whether a firewall lets {ports} through was not tried"
                ),
            )
        }
        Reach::Provider => warn(
            NAME,
            format!(
                "{offer} names an address of 100.64.0.0/10: a VPN's, or one that the provider shares between customers, \
                 through which nobody outside can come, whatever the router forwards"
            ),
            "meet in a VPN, use IPv6, or ask the provider for an address of your own",
        ),
        Reach::Private => warn(
            NAME,
            format!("{offer} names private addresses alone: whoever is not in the same network cannot come"),
            forward,
        ),
        Reach::LinkLocal => warn(
            NAME,
            format!(
                "{offer} names link-local addresses alone: only who is on the same cable or radio can come"
            ),
            forward,
        ),
        Reach::Loopback => warn(
            NAME,
            format!("{offer} names loopback alone: nobody beyond this machine can come"),
            "connect to a network, then share again; `--listen` chooses the address",
        ),
        Reach::Nowhere => fail(
            NAME,
            format!("{offer} names no address at which anybody could come"),
            "name one: `--advertise ADDR:PORT`",
        ),
    }
}

fn ports_of(group: &[&Offered]) -> String {
    let mut ports: Vec<u16> =
        group.iter().flat_map(|offered| offered.addresses.iter().map(|address| address.port())).collect();
    ports.sort_unstable();
    ports.dedup();
    let texts: Vec<String> = ports.iter().map(u16::to_string).collect();
    format!("UDP port {}", texts.join(", "))
}

pub(super) fn buffers(facts: &Facts) -> Finding {
    const NAME: &str = "socket buffers";
    let Some((received, sent)) = facts.socket_buffers else {
        return ok(NAME, "the system does not say how much a socket may have buffered");
    };
    let detail = format!("a socket may have {} received and {} sent buffered", size(received), size(sent));
    if received.min(sent) >= WANTED_BUFFER {
        return ok(NAME, detail);
    }
    let hint = format!(
        "allow more: `sudo sysctl -w net.core.rmem_max={WANTED_BUFFER} net.core.wmem_max={WANTED_BUFFER}` (and in \
         /etc/sysctl.d to keep it)"
    );
    let wanted = size(WANTED_BUFFER);
    warn(
        NAME,
        format!("{detail}: on fast paths datagrams are lost that {wanted} would hold, which is slower"),
        hint,
    )
}
