//! Diagnosis: what is wrong or slow, and what the user can do about it.
//!
//! [`gather`] examines this machine alone and contacts no peer. [`examine`] judges the facts and is pure, so that every finding
//! has its test.

mod address;
mod cause;
mod facts;
mod gather;
mod machine;
mod network;
mod seen;
#[cfg(test)]
mod tests;
mod transfers;
mod units;

pub use address::{Reach, reach};
pub use cause::{CAUSES, advice, name, words, words_of};
pub use facts::{Bound, DiskSpace, Facts, Listen, Offered, PathState, Place, PlaceKind};
pub use gather::{Around, ListenAt, gather};
pub use seen::reach_lines;
pub use units::size;

use crate::model::Finding;

/// Outcome: in order.
pub const OK: &str = "ok";
/// Outcome: works, but worse than it could, or not for all peers.
pub const WARN: &str = "warn";
/// Outcome: does not work until it is repaired.
pub const FAIL: &str = "fail";

/// Returns all findings: first those of the machine, then one per transfer. Text from outside is not escaped.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![machine::companion(facts), machine::database(facts), machine::consent_log(facts)];
    findings.push(machine::clock(facts));
    findings.push(machine::time_zone(facts));
    findings.extend(machine::folders(facts));
    findings.extend(machine::space(facts));
    findings.push(machine::open_files(facts));
    findings.extend(network::ports(facts));
    findings.extend(network::reachability(facts));
    findings.extend(seen::translation(facts));
    findings.push(network::buffers(facts));
    if facts.database_fault.is_none() {
        findings.push(transfers::limits(facts));
    }
    let status = &facts.status;
    findings.extend(status.transfers.iter().map(|transfer| transfers::transfer(transfer, status)));
    findings
}

fn finding(name: &str, outcome: &str, detail: impl Into<String>, hint: Option<String>) -> Finding {
    Finding { name: name.to_owned(), outcome: outcome.to_owned(), detail: detail.into(), hint }
}

fn ok(name: &str, detail: impl Into<String>) -> Finding {
    finding(name, OK, detail, None)
}

fn warn(name: &str, detail: impl Into<String>, hint: impl Into<String>) -> Finding {
    finding(name, WARN, detail, Some(hint.into()))
}

fn fail(name: &str, detail: impl Into<String>, hint: impl Into<String>) -> Finding {
    finding(name, FAIL, detail, Some(hint.into()))
}
