//! Events of the swarm of a transfer in this process, for people and scripts.

use minimodel::clock::utc;
use minimodel_swarm::machine::{Event, NotMet};
use minimodel_wire::SignedOffer;
use serde_json::json;

use crate::escape;
use crate::failure::Failure;
use crate::printer::Printer;

/// Failed tries of one peer that are reported; more would only repeat it.
const TOLD_TRIES: u32 = 3;

/// Prints an offer that was renewed. A file with the first offer stays as it is: it may belong to another program by now.
pub(super) fn tell_renewed(printer: &Printer, offer: &SignedOffer) -> Result<(), Failure> {
    let expires_unix = offer.offer().expires_unix;
    printer.note(format!("the offer was signed anew and holds until {}: {offer}", utc(expires_unix)));
    printer.event("offer-renewed", json!({"offer": offer.to_string(), "expires_unix": expires_unix}))
}

/// Prints what happened in the swarm.
pub(super) fn tell(printer: &Printer, event: &Event) -> Result<(), Failure> {
    let (name, fields) = match event {
        Event::Joined { peer, software, seed } => {
            let has = if *seed { "has all of it" } else { "is fetching it" };
            printer.note(format!("peer {} joined, {has} ({})", peer.short(), escape::shown(software)));
            ("peer-joined", json!({"peer": peer.to_string(), "software": software, "seed": seed}))
        }
        Event::Left { peer, code } => {
            let why = code.map_or_else(|| "connection lost".to_owned(), |code| code.to_string());
            printer.note(format!("peer {} left: {why}", peer.short()));
            ("peer-left", json!({"peer": peer.to_string(), "code": code.map(u32::from), "reason": why}))
        }
        Event::Banned { peer, breach, index, .. } => {
            let chunk = index.map_or_else(String::new, |index| format!(" (chunk {index})"));
            printer.warning_beside_event(&format!("banned peer {peer}: {breach}{chunk}"));
            ("peer-banned", json!({"peer": peer.to_string(), "reason": breach.to_string(), "chunk": index}))
        }
        Event::Struck { peer, breach } => {
            printer.detail(format!("peer {} {breach}", peer.short()));
            ("peer-struck", json!({"peer": peer.to_string(), "reason": breach.to_string()}))
        }
        Event::Refused { peer, code, by_peer } => {
            let who = if *by_peer { "refused us" } else { "was refused" };
            printer.note(format!("peer {} {who}: {code}", peer.short()));
            let fields = json!({"peer": peer.to_string(), "code": u32::from(*code), "reason": code.to_string(), "by_peer": by_peer});
            ("peer-refused", fields)
        }
        Event::WrongKey { expected, found } => {
            printer.note(format!("peer {expected} was expected, but {found} answered; not talking to it"));
            ("wrong-key", json!({"expected": expected.to_string(), "found": found.to_string()}))
        }
        Event::Unreachable { peer, tries } => {
            if *tries <= TOLD_TRIES {
                printer.note(format!("peer {} cannot be reached yet (try {tries})", peer.short()));
            }
            ("peer-unreachable", json!({"peer": peer.to_string(), "tries": tries}))
        }
        Event::Met { peer, by } => {
            printer.note(format!("peer {} met: peer {} introduced it", peer.short(), by.short()));
            ("peer-met", json!({"peer": peer.to_string(), "by": by.to_string()}))
        }
        Event::NotMet { peer, why } => {
            let says = format!("peer {} could not be met: {why}", peer.short());
            // Members pass on the offers of those who left a moment ago, too.
            if *why == NotMet::NobodyKnowsIt {
                printer.detail(says);
            } else {
                printer.note(says);
            }
            ("peer-not-met", json!({"peer": peer.to_string(), "reason": why.to_string()}))
        }
        Event::Offered(_)
        | Event::Chunk { .. }
        | Event::Uploaded { .. }
        | Event::NothingGood
        | Event::Complete
        | Event::Exhausted => return Ok(()),
    };
    printer.event(name, fields)
}
