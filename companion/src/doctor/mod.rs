//! What is wrong or slow, and what to do about it.
//!
//! [`gather`] looks at this machine and at nothing beyond it: nobody is contacted. [`examine`] judges what it found, and is
//! pure, so that every finding has its test.

mod address;
mod cause;
mod facts;
mod gather;
mod machine;
mod network;
#[cfg(test)]
mod tests;
mod transfers;
mod units;

pub use address::{Reach, reach};
pub use cause::{CAUSES, advice, name, words, words_of};
pub use facts::{Bound, Disk, Facts, Found, Listen, Offered, Place, PlaceKind};
pub use gather::{Around, gather};
pub use units::size;

use crate::api::types::Finding;

/// Something holds.
pub const OK: &str = "ok";
/// Something to know: it works, but worse than it could, or not for everybody.
pub const WARN: &str = "warn";
/// Something does not work until it is mended.
pub const FAIL: &str = "fail";

/// All findings, those of the machine first, then one for each transfer. Text from outside is in them as it came.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![machine::companion(facts), machine::database(facts), machine::consent_log(facts)];
    findings.push(machine::clock(facts));
    findings.push(machine::time_zone(facts));
    findings.extend(machine::folders(facts));
    findings.extend(machine::space(facts));
    findings.push(machine::open_files(facts));
    findings.extend(network::ports(facts));
    findings.extend(network::reachability(facts));
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
