//! Findings and words on what other members have shown of this machine's reach.

use super::facts::Facts;
use super::{ok, warn};
use crate::model::{
    FamilyReach, Finding, MappingReach, MappingStand, Reach, Translation, WayReach, WayStand,
};

/// What members have shown, in words, one line for each family of which something is known.
pub fn reach_lines(reach: &Reach) -> Vec<String> {
    let seen = families(reach).into_iter().filter_map(|(name, family)| line(name, family));
    seen.chain(ways(reach).into_iter().map(|(_, line)| line)).collect()
}

/// The ways that the user agreed to, each with whether it is of use.
fn ways(reach: &Reach) -> Vec<(bool, String)> {
    let MappingReach { stand, external, by, why } = &reach.mapping;
    let (external, by) = (external.as_deref().unwrap_or_default(), by.as_deref().unwrap_or_default());
    let why = why.as_deref().unwrap_or_default();
    let mapping = match stand {
        MappingStand::Off => None,
        MappingStand::Asked => Some((true, "router: it is asked for a mapping".to_owned())),
        MappingStand::Mapped => Some((true, format!("router: it lets others in at {external}, by {by}"))),
        MappingStand::Failed => Some((false, format!("router: {why}"))),
    };
    let others = [("this network", &reach.lan), ("DHT", &reach.dht)].into_iter();
    let others = others.filter_map(|(name, way)| way_line(name, way));
    mapping.into_iter().chain(others).collect()
}

fn way_line(name: &str, way: &WayReach) -> Option<(bool, String)> {
    let WayReach { stand, found, unproved, why } = way;
    let peers = if *found == 1 { "1 peer".to_owned() } else { format!("{found} peers") };
    let in_vain = match unproved {
        0 => String::new(),
        1 => "; 1 address led to no member".to_owned(),
        more => format!("; {more} addresses led to no member"),
    };
    match stand {
        WayStand::Off => None,
        WayStand::On => Some((true, format!("{name}: {peers} found{in_vain}"))),
        WayStand::Failed => Some((false, format!("{name}: {}", why.as_deref().unwrap_or_default()))),
    }
}

fn families(reach: &Reach) -> [(&'static str, &FamilyReach); 2] {
    [("IPv4", &reach.ipv4), ("IPv6", &reach.ipv6)]
}

fn line(name: &str, family: &FamilyReach) -> Option<String> {
    let seen = family.address.as_deref().unwrap_or_default();
    let translated = match family.translation {
        Translation::Unknown => None,
        Translation::None => Some(format!("members see it at {seen}, an address of this machine")),
        Translation::Same => Some(format!("a router translates its address to {seen}, the same for all")),
        Translation::Varies => {
            Some("a router translates its address to another port for each member".to_owned())
        }
    };
    let came = family.visit.as_ref().map(|visit| format!("{} came unasked at {}", visit.from, visit.at_utc));
    let told: Vec<String> = [translated, came].into_iter().flatten().collect();
    (!told.is_empty()).then(|| format!("{name}: {}", told.join("; ")))
}

/// One finding for each family of which something is known. Transfers of one socket know the same.
pub(super) fn translation(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for reach in facts.status.transfers.iter().filter_map(|transfer| transfer.reach.as_ref()) {
        let of_ways = ways(reach).into_iter().map(|(is_good, line)| match is_good {
            true => ok("ways", line),
            false => warn("ways", line, "it is tried again by itself; other ways go on meanwhile"),
        });
        let seen = families(reach).into_iter().filter_map(|(name, family)| judged(name, family));
        for finding in seen.chain(of_ways) {
            if !found.contains(&finding) {
                found.push(finding);
            }
        }
    }
    found
}

fn judged(name: &str, family: &FamilyReach) -> Option<Finding> {
    const NAME: &str = "translation";
    let line = line(name, family)?;
    if family.visit.is_some() {
        return Some(ok(NAME, format!("{line}: others can reach this machine")));
    }
    Some(match family.translation {
        Translation::Varies => warn(
            NAME,
            format!("{line}: no offer can name it, and only peers that this machine dials are reached"),
            "forward a UDP port of the router to this machine and share with `--advertise ADDR:PORT`; or use IPv6",
        ),
        _ => ok(NAME, format!("{line}; nobody came unasked yet, so it is not known whether others can")),
    })
}
