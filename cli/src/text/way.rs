//! The words for ways to be found and reached.

use minimodel::transfer::{MappingState, Way, WayEvent};

use crate::escape;
use crate::printer::Printer;

/// Tells people what happened on a way.
pub(crate) fn way_event(printer: &Printer, event: &WayEvent) {
    match event {
        WayEvent::Asked => printer.detail("asking the router to let others in".to_owned()),
        WayEvent::Begun { way, is_found: true } => {
            printer.note(format!("whoever has the manifest can find this machine {}", place(*way)));
        }
        WayEvent::Begun { way, is_found: false } => printer.note(format!("looking {}", place(*way))),
        WayEvent::Mapping(MappingState::Mapped(mapping)) => {
            printer.note(format!("the router lets others in at {}, by {}", mapping.external, mapping.by));
        }
        WayEvent::Mapping(MappingState::Failed(why)) => {
            printer.warning_beside_event(&escape::harmless(&why.to_string()));
        }
        WayEvent::Found { way, peer, at } => {
            let at = at.map_or_else(String::new, |at| format!(" at {at}"));
            printer.note(format!("found {}{at} {}", peer.short(), place(*way)));
        }
        WayEvent::NotProved { way, at, why } => {
            printer.detail(format!("nobody of this swarm at {at}, which was found {}: {why}", place(*way)));
        }
        WayEvent::Works { way } => printer.note(format!("it works again: looking {}", place(*way))),
        WayEvent::Failed { way, fault } => {
            let says = format!("no peer is found {} for now: {fault}", place(*way));
            printer.warning_beside_event(&escape::harmless(&says));
        }
        _ => {}
    }
}

/// Where a peer is found.
fn place(way: Way) -> &'static str {
    match way {
        Way::Lan => "on this network",
        Way::Dht => "by the public DHT",
    }
}
