//! The map of chunks in the event stream: of one transfer, only if asked for, and only as it changes.

use std::time::{Duration, Instant};

use minimodel_companion::client::Events;
use minimodel_companion::model::{Event, Kind, MAX_CELLS, Transfer};
use minimodel_companion::problem::code;

use crate::memory::Stands;
use crate::running::Running;

fn next(events: &mut Events) -> Event {
    events.next().expect("the stream goes on").unwrap()
}

fn told(transfer: &Transfer) -> Event {
    Event::Transfer { transfer: Box::new(transfer.clone()) }
}

/// The first byte of the map in the next event, which must be one.
#[track_caller]
fn map_in(event: Event, of: u64) -> u8 {
    let Event::Chunks { id, map } = event else { panic!("{event:?}") };
    assert_eq!((id, map.have.len() as u32, map.cells), (of, 9, 9));
    map.have[0]
}

/// Changes the chunks of a transfer and tells of it.
fn change(running: &Running, id: u64, have: u64) {
    let mut state = running.memory.state();
    let transfer = state.transfers.get_mut(&id).unwrap();
    transfer.chunks_have = have;
    let event = told(transfer);
    drop(state);
    running.events.send(event).unwrap();
}

/// Makes a stream tell something else, which comes after everything before it.
fn mark(running: &Running, events: &mut Events) -> Vec<Event> {
    running.events.send(Event::Limits).unwrap();
    std::iter::from_fn(|| Some(next(events)).filter(|event| *event != Event::Limits)).collect()
}

#[test]
fn chunk_events_come_at_first_and_as_that_transfer_changes() {
    let running = Running::new();
    let fetch = running.memory.state().add(Kind::Fetch, Stands::Running);
    let other = running.memory.state().add(Kind::Fetch, Stands::Running);
    let mut events = running.client().events_with_chunks(fetch.id, 9).unwrap();
    assert_eq!((next(&mut events), next(&mut events)), (told(&fetch), told(&other)));
    assert_eq!(map_in(next(&mut events), fetch.id), 12);
    change(&running, fetch.id, 50);
    assert!(matches!(next(&mut events), Event::Transfer { .. }));
    assert_eq!(map_in(next(&mut events), fetch.id), 50);
    // Neither another transfer nor a picture with the same chunks brings a map.
    change(&running, other.id, 99);
    change(&running, fetch.id, 50);
    std::thread::sleep(Duration::from_millis(1_200));
    let since = mark(&running, &mut events);
    assert!(
        since.len() == 2 && since.iter().all(|event| matches!(event, Event::Transfer { .. })),
        "{since:?}"
    );
    // Nothing happens: no map is made.
    let made = running.memory.state().maps;
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(running.memory.state().maps, made);
}

#[test]
fn no_more_than_two_maps_a_second_are_made() {
    let running = Running::new();
    let fetch = running.memory.state().add(Kind::Fetch, Stands::Running);
    let mut events = running.client().events_with_chunks(fetch.id, 9).unwrap();
    let begun = Instant::now();
    for have in 0..150 {
        change(&running, fetch.id, have);
        std::thread::sleep(Duration::from_millis(10));
    }
    let most = begun.elapsed().as_millis() as u32 / 500 + 1;
    let made = running.memory.state().maps;
    assert!((2..=most).contains(&made), "{made} maps in {:?}", begun.elapsed());
    // The last change is shown in the end.
    while !matches!(next(&mut events), Event::Chunks { map, .. } if map.have[0] == 149) {}
}

#[test]
fn stream_without_the_question_makes_no_map() {
    let running = Running::new();
    let fetch = running.memory.state().add(Kind::Fetch, Stands::Running);
    let mut events = running.client().events().unwrap();
    for have in 0..5 {
        change(&running, fetch.id, have);
    }
    let told = mark(&running, &mut events);
    assert!(told.len() == 6 && told.iter().all(|event| matches!(event, Event::Transfer { .. })), "{told:?}");
    assert_eq!(running.memory.state().maps, 0);
}

#[test]
fn chunk_events_of_no_transfer_or_too_many_cells_are_refused() {
    let running = Running::new();
    let client = running.client();
    assert_eq!(client.events_with_chunks(7, 9).unwrap_err().code, code::NOT_FOUND);
    let fetch = running.memory.state().add(Kind::Fetch, Stands::Running);
    for cells in [0, MAX_CELLS + 1] {
        assert_eq!(client.events_with_chunks(fetch.id, cells).unwrap_err().code, code::USAGE);
    }
    // A transfer that is forgotten ends its maps and not the stream.
    let mut events = client.events_with_chunks(fetch.id, 9).unwrap();
    next(&mut events);
    assert_eq!(map_in(next(&mut events), fetch.id), 12);
    running.memory.state().transfers.remove(&fetch.id);
    running.events.send(Event::Removed { id: fetch.id }).unwrap();
    assert_eq!(next(&mut events), Event::Removed { id: fetch.id });
    assert_eq!(mark(&running, &mut events), []);
}
