//! Real companions that share and fetch over loopback, looked at through the interface.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use minimodel::consent::Action;
use minimodel::{Event as Told, Home, Watcher};
use minimodel_companion::api::{self, Access, Interface, ServerLimits};
use minimodel_companion::client::Client;
use minimodel_companion::model::*;
use minimodel_companion::problem::code;
use minimodel_companion::{Companion, Host, Places, Problem, Service};
use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
use minimodel_verifier::Manifest;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::running::PATIENCE;

/// A host that has no words.
struct Wordless;

impl Watcher for Wordless {
    fn tell(&self, _: Told) {}
}

impl Host for Wordless {
    fn problem(&self, error: minimodel::Error) -> Problem {
        Problem::new(code::UNEXPECTED, format!("{error:?}"), "look at the test")
    }

    fn subject(&self, _: &Manifest) -> Vec<(String, String)> {
        Vec::new()
    }

    fn is_ending(&self) -> bool {
        false
    }
}

/// A companion with its interface, on a home of its own.
struct Daemon {
    companion: Option<Arc<Companion>>,
    client: Client,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
}

impl Daemon {
    fn start(home: &TempDir) -> Self {
        let at = Home::at(home.path());
        let places = Places::new(&home.path().join("state"), &home.path().join("data"));
        let folder = places.folder.clone();
        let companion = Arc::new(Companion::open(places, at, Arc::new(Wordless), true).unwrap());
        let (stop, stopped) = watch::channel(false);
        let interface = Interface {
            service: companion.clone(),
            access: Access::open(&folder).unwrap(),
            events: companion.events(),
            stop: stopped,
            limits: ServerLimits::default(),
        };
        let listeners = api::bind(0).unwrap();
        let server = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { api::publish(listeners, interface).unwrap().until_stopped().await });
        });
        let client = until(|| Client::find(&folder).unwrap());
        Self { companion: Some(companion), client, stop, server: Some(server) }
    }

    fn transfer(&self, id: u64) -> Transfer {
        self.client.transfer(id).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(companion) = self.companion.take() {
            companion.end();
        }
        self.stop.send_replace(true);
        self.server.take().map(JoinHandle::join);
    }
}

/// Looks until there is something.
#[track_caller]
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn consent(actions: &[Action]) -> Option<Consent> {
    Some(Consent {
        actions: actions.to_vec(),
        by: "test".into(),
        expires_unix: None,
        quota_bytes: None,
        accept_publisher_key: None,
    })
}

fn loopback() -> Endpoint {
    Endpoint { listen: Some(([127, 0, 0, 1], 0).into()), advertise: Vec::new() }
}

fn limited(up: u64) -> TransferLimits {
    TransferLimits { up: Some(up), ..TransferLimits::default() }
}

/// A file and its manifest of some 60 chunks in a home.
fn model(home: &TempDir) -> (String, NewShare) {
    let artifact = slm_vec(&Shape::about(4_000_000, Quantization::Q4_0).unwrap(), 8);
    let options = ManifestOptions { chunk_size: 1 << 16, ..ManifestOptions::default() };
    let manifest = ManifestText::of(&artifact, &options).render();
    let path = home.path().join("model.slm");
    std::fs::write(&path, artifact).unwrap();
    let share = NewShare {
        manifest: Some(manifest.clone()),
        path: Some(path),
        endpoint: loopback(),
        consent: consent(&[Action::Serve]),
        ..NewShare::default()
    };
    (manifest, share)
}

fn fetch(manifest: &str, offer: String, home: &TempDir, actions: &[Action]) -> NewFetch {
    NewFetch {
        manifest: Some(manifest.to_owned()),
        offers: vec![offer],
        out: Some(home.path().join("models")),
        endpoint: loopback(),
        consent: consent(actions),
        ..NewFetch::default()
    }
}

fn offer_of(daemon: &Daemon, id: u64) -> String {
    until(|| daemon.transfer(id).offer)
}

/// Chunks of a map whose cells are one chunk each.
fn here(map: &ChunkMap) -> usize {
    assert_eq!((map.cells, map.have.len() as u32), (map.chunks, map.chunks));
    map.have.iter().filter(|&&part| part == 255).count()
}

#[test]
fn map_fills_while_a_fetch_runs_and_rates_survive_a_restart() {
    let [alices, bobs] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (alice, bob) = (Daemon::start(&alices), Daemon::start(&bobs));
    let (manifest, share) = model(&alices);
    let sharing = alice.client.share(NewShare { limits: limited(1 << 20), ..share }).unwrap().id;
    let offer = offer_of(&alice, sharing);
    let new = fetch(&manifest, offer, &bobs, &[Action::Fetch, Action::Import]);
    let fetching = bob.client.fetch(new).unwrap().id;
    let events = bob.client.events_with_chunks(fetching, MAX_CELLS).unwrap();
    let (mut seen, mut maps, mut saw_eta, mut saw_peer) = (0, 0, false, false);
    for event in events {
        match event.unwrap() {
            Event::Chunks { id, map } => {
                assert_eq!(id, fetching);
                let count = here(&map);
                assert!(count >= seen, "{count} after {seen}");
                (seen, maps) = (count, maps + 1);
                // The seeder has every chunk that is missing.
                let holders = map.least_holders.iter().filter(|&&least| least < 255);
                assert!(holders.clone().all(|&least| least <= 1), "{map:?}");
                if count == map.chunks as usize {
                    assert_eq!(map.least_holders, vec![255; map.chunks as usize]);
                    break;
                }
            }
            Event::Transfer { transfer } if transfer.id == fetching => {
                saw_eta |= transfer.eta_seconds.is_some_and(|left| (1..60).contains(&left))
                    && transfer.missing_unheld == Some(0);
                saw_peer |= transfer
                    .peers
                    .iter()
                    .any(|peer| peer.address.starts_with("127.0.0.1:") && peer.share == 1.0 && !peer.blamed);
                assert_ne!(transfer.state, State::Failed, "{:?}", transfer.problem);
                assert!(transfer.chunks_have + transfer.chunks_in_flight <= transfer.chunks_total);
            }
            _ => {}
        }
    }
    assert!(maps > 3 && saw_eta && saw_peer, "{maps} maps, {saw_eta}, {saw_peer}");
    until(|| Some(()).filter(|()| bob.transfer(fetching).state == State::Done));
    let done = bob.transfer(fetching);
    assert_eq!((done.chunks_have, done.eta_seconds, done.missing_unheld), (done.chunks_total, None, None));
    let map = bob.client.chunks(fetching, 3).unwrap();
    assert_eq!((map.cells, map.have, map.least_holders), (3, vec![255; 3], vec![255; 3]));
    let shared = alice.client.chunks(sharing, 1).unwrap();
    assert_eq!((shared.have, shared.in_flight), (vec![255], vec![0]));
    let moved = |daemon: &Daemon, id| -> u64 {
        let history = daemon.client.history(id, Span::Minutes).unwrap();
        assert_eq!((history.down.len(), history.up.len()), (600, 600));
        history.down.into_iter().flatten().sum()
    };
    let before = moved(&bob, Some(fetching));
    assert!((1_000_000..20_000_000).contains(&before), "{before}");
    assert_eq!(moved(&bob, None), before);
    assert!(alice.client.history(Some(sharing), Span::Day).unwrap().up.iter().flatten().any(|&up| up > 0));
    drop(bob);
    let bob = Daemon::start(&bobs);
    assert_eq!((moved(&bob, Some(fetching)), moved(&bob, None)), (before, before));
    bob.client.forget(fetching).unwrap();
    for refused in [
        bob.client.history(Some(fetching), Span::Day).map(|_| ()),
        bob.client.chunks(fetching, 9).map(|_| ()),
        bob.client.events_with_chunks(fetching, 9).map(|_| ()),
    ] {
        assert_eq!(refused.unwrap_err().code, code::NOT_FOUND);
    }
    assert_eq!(moved(&bob, None), before);
}

#[test]
fn chunks_without_connected_holder_are_counted_with_no_eta() {
    let [alices, bobs, carols] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let (alice, bob, carol) = (Daemon::start(&alices), Daemon::start(&bobs), Daemon::start(&carols));
    let (manifest, share) = model(&alices);
    let sharing = alice.client.share(NewShare { limits: limited(1 << 20), ..share }).unwrap().id;
    let all = [Action::Fetch, Action::Import, Action::Serve];
    let new = fetch(&manifest, offer_of(&alice, sharing), &bobs, &all);
    let bobs_fetch = bob.client.fetch(new).unwrap().id;
    let offer = offer_of(&bob, bobs_fetch);
    until(|| Some(()).filter(|()| bob.transfer(bobs_fetch).chunks_have >= 5));
    alice.client.pause(sharing).unwrap();
    let bobs_chunks = until(|| {
        let bobs = bob.transfer(bobs_fetch);
        Some(bobs.chunks_have).filter(|_| bobs.peers.is_empty() && bobs.chunks_in_flight == 0)
    });
    let new = fetch(&manifest, offer, &carols, &all[..2]);
    let carols_fetch = carol.client.fetch(new).unwrap().id;
    let all = bob.transfer(bobs_fetch).chunks_total;
    assert!(bobs_chunks < all, "{bobs_chunks} of {all}");
    let stuck = until(|| {
        let stuck = carol.transfer(carols_fetch);
        Some(stuck.clone()).filter(|_| stuck.chunks_have == bobs_chunks && stuck.peers.len() == 1)
    });
    assert_eq!((stuck.missing_unheld, stuck.eta_seconds), (Some(all - bobs_chunks), None));
    assert_eq!(stuck.peers[0].share, bobs_chunks as f64 / all as f64);
    let map = carol.client.chunks(carols_fetch, MAX_CELLS).unwrap();
    assert_eq!(here(&map) as u64, bobs_chunks);
    assert_eq!(map.least_holders.iter().filter(|&&least| least == 0).count() as u64, all - bobs_chunks);
    // At rest the chunks on disk are shown, and no peer; after a restart too.
    carol.client.pause(carols_fetch).unwrap();
    until(|| Some(()).filter(|()| carol.transfer(carols_fetch).state == State::Paused));
    let at_rest = |daemon: &Daemon| {
        let map = daemon.client.chunks(carols_fetch, MAX_CELLS).unwrap();
        let transfer = daemon.transfer(carols_fetch);
        assert_eq!((transfer.missing_unheld, transfer.eta_seconds), (None, None));
        here(&map) as u64
    };
    assert_eq!(at_rest(&carol), bobs_chunks);
    drop(carol);
    assert_eq!(at_rest(&Daemon::start(&carols)), bobs_chunks);
}
