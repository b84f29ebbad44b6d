//! Transfers of one node that name no address.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use minimodel::transfer::{
    self, Consents, Control, Endpoint, LocalWays, MappingState, Run, Served, ShareError, SharePlan,
    SharedEndpoint, WayEvent, WaysSettings,
};
use minimodel::{Action, Event, Home, Manifest, Watcher};
use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};

use super::ways::Heard;

/// Time limit longer than any step takes; it only ends a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a share tells here.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Port(u16),
    Snapshot,
    Mapped,
}

/// Passes on what a share tells; may wait after each snapshot.
struct Passes {
    told: mpsc::Sender<Told>,
    /// What it waits for.
    holds: Option<Mutex<mpsc::Receiver<()>>>,
}

impl Watcher for Passes {
    fn tell(&self, event: Event) {
        let told = match event {
            Event::Offer { port, .. } => Told::Port(port),
            Event::Snapshot(_) => Told::Snapshot,
            Event::Way(way) if matches!(*way, WayEvent::Mapping(MappingState::Mapped(_))) => Told::Mapped,
            _ => return,
        };
        let holds = self.holds.as_ref().filter(|_| told == Told::Snapshot);
        let _ = self.told.send(told);
        if let Some(holds) = holds {
            let _ = holds.lock().unwrap().recv();
        }
    }
}

/// A share on a thread of its own.
struct Sharing {
    control: Control,
    told: mpsc::Receiver<Told>,
    thread: thread::JoinHandle<Result<Served, ShareError>>,
}

impl Sharing {
    fn start(
        folder: &Path,
        seed: u64,
        shared: &SharedEndpoint,
        holds: Option<Mutex<mpsc::Receiver<()>>>,
    ) -> Self {
        Self::with(folder, seed, shared, holds, (&[Action::Serve], Endpoint::default()))
    }

    fn with(
        folder: &Path,
        seed: u64,
        shared: &SharedEndpoint,
        holds: Option<Mutex<mpsc::Receiver<()>>>,
        (actions, endpoint): (&[Action], Endpoint),
    ) -> Self {
        let bytes = slm_vec(&Shape::about(45_000, Quantization::Q4_0).unwrap(), seed);
        let text = ManifestText::of(&bytes, &ManifestOptions::default()).render();
        let path = folder.join(format!("{seed}.slm"));
        std::fs::write(&path, &bytes).unwrap();
        let agreed = minimodel::RunConsent::given(actions.iter().copied(), "test");
        let plan = SharePlan {
            activity: "seed",
            manifest: Arc::new(Manifest::parse(text.as_bytes()).unwrap()),
            path,
            consents: Consents::to_share(agreed.for_receipt()).unwrap(),
            endpoint,
            members: Vec::new(),
            earlier: Vec::new(),
            rechecks: false,
        };
        let (tell, told) = mpsc::channel();
        let run = Run {
            home: Home::at(folder.join("home")),
            watcher: Arc::new(Passes { told: tell, holds }),
            control: Control::default(),
            shared: Some(shared.clone()),
        };
        let control = run.control.clone();
        Self { control, told, thread: thread::spawn(move || transfer::share(&run, &plan)) }
    }

    fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).unwrap()
    }

    fn end(self) {
        self.control.cancel();
        self.thread.join().unwrap().unwrap();
    }
}

#[test]
fn a_watcher_that_blocks_holds_up_its_own_transfer_alone() {
    let (folder, shared) = (tempfile::tempdir().unwrap(), SharedEndpoint::default());
    let (release, holds) = mpsc::channel();
    let blocked = Sharing::start(folder.path(), 1, &shared, Some(Mutex::new(holds)));
    let port = blocked.next();
    assert_eq!(blocked.next(), Told::Snapshot, "its watcher waits");
    let other = Sharing::start(folder.path(), 2, &shared, None);
    assert_eq!(other.next(), port);
    for _ in 0..3 {
        assert_eq!(other.next(), Told::Snapshot);
    }
    other.end();
    drop(release);
    blocked.end();
}

#[test]
fn share_that_joins_a_mapped_endpoint_is_told_of_the_mapping() {
    let (folder, shared) = (tempfile::tempdir().unwrap(), SharedEndpoint::default());
    let router = Heard::router(Ipv4Addr::new(8, 8, 4, 4));
    let local = Some(LocalWays { mdns_port: 35_353, router_ports: Some([router.at.port(), 9]) });
    let endpoint =
        Endpoint { ways: WaysSettings { local, ..WaysSettings::default() }, ..Endpoint::default() };
    let sharing = |seed| {
        let how: (&[Action], _) = (&[Action::Serve, Action::Map], endpoint.clone());
        let sharing = Sharing::with(folder.path(), seed, &shared, None, how);
        while sharing.next() != Told::Mapped {}
        sharing
    };
    let (first, second) = (sharing(1), sharing(2));
    first.end();
    assert_eq!(router.removals(), 0);
    second.end();
    assert!(router.removals() > 0);
}
