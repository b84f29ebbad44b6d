//! Findings and words on what other members have shown of this machine's reach.

use super::facts::Facts;
use super::{ok, warn};
use crate::model::{FamilyReach, Finding, Reach, Translation};

/// What members have shown, in words, one line for each family of which something is known.
pub fn reach_lines(reach: &Reach) -> Vec<String> {
    families(reach).into_iter().filter_map(|(name, family)| line(name, family)).collect()
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
        for finding in families(reach).into_iter().filter_map(|(name, family)| judged(name, family)) {
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
