//! Ways to be found and reached of a transfer in this process, for people and scripts.

use minimodel::transfer::{MappingState, Way, WayEvent};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::printer::Printer;
use crate::text;

/// Prints what happened on a way.
pub(super) fn tell(printer: &Printer, event: &WayEvent) -> Result<(), Failure> {
    text::way_event(printer, event);
    match fields(event) {
        Some((name, fields)) => printer.event(name, fields),
        None => Ok(()),
    }
}

/// The event of a script, and its fields.
fn fields(event: &WayEvent) -> Option<(&'static str, Value)> {
    let way = |way: &Way, state: &str, why: Option<String>| {
        Some(("way", json!({"way": word(*way), "state": state, "why": why})))
    };
    match event {
        WayEvent::Asked => Some(mapping(&MappingState::Trying)),
        WayEvent::Mapping(state) => Some(mapping(state)),
        WayEvent::Begun { way: of, is_found } => {
            way(of, if *is_found { "announced" } else { "looking" }, None)
        }
        WayEvent::Works { way: of } => way(of, "works", None),
        WayEvent::Failed { way: of, fault } => way(of, "failed", Some(fault.to_string())),
        WayEvent::Found { way, peer, at } => {
            let at = at.map(|at| at.to_string());
            Some(("peer-found", json!({"way": word(*way), "peer": peer.to_string(), "at": at})))
        }
        WayEvent::NotProved { way, at, why } => {
            let fields = json!({"way": word(*way), "at": at.to_string(), "reason": why.to_string()});
            Some(("address-unproved", fields))
        }
        _ => None,
    }
}

fn mapping(state: &MappingState) -> (&'static str, Value) {
    let (state, external, by, why) = match state {
        MappingState::Trying => ("asked", None, None, None),
        MappingState::Mapped(it) => ("mapped", Some(it.external.to_string()), Some(it.by.to_string()), None),
        MappingState::Failed(why) => ("failed", None, None, Some(why.to_string())),
    };
    ("mapping", json!({"state": state, "external": external, "by": by, "why": why}))
}

fn word(way: Way) -> &'static str {
    match way {
        Way::Lan => "lan",
        Way::Dht => "dht",
    }
}
