//! Transfers of one node that name no address.

use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use minimodel::transfer::{
    self, Consents, Control, Endpoint, Run, Served, ShareError, SharePlan, SharedEndpoint,
};
use minimodel::{Action, Event, Home, Manifest, Watcher};
use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};

/// Time limit longer than any step takes; it only ends a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// Passes snapshots and ports on; may wait after each.
struct Passes {
    told: mpsc::Sender<Option<u16>>,
    /// What it waits for.
    holds: Option<Mutex<mpsc::Receiver<()>>>,
}

impl Watcher for Passes {
    fn tell(&self, event: Event) {
        let told = match event {
            Event::Offer { port, .. } => Some(port),
            Event::Snapshot(_) => None,
            _ => return,
        };
        let _ = self.told.send(told);
        if let Some(holds) = self.holds.as_ref().filter(|_| told.is_none()) {
            let _ = holds.lock().unwrap().recv();
        }
    }
}

/// A share on a thread of its own.
struct Sharing {
    control: Control,
    told: mpsc::Receiver<Option<u16>>,
    thread: thread::JoinHandle<Result<Served, ShareError>>,
}

impl Sharing {
    fn start(
        folder: &Path,
        seed: u64,
        shared: &SharedEndpoint,
        holds: Option<Mutex<mpsc::Receiver<()>>>,
    ) -> Self {
        let bytes = slm_vec(&Shape::about(45_000, Quantization::Q4_0).unwrap(), seed);
        let text = ManifestText::of(&bytes, &ManifestOptions::default()).render();
        let path = folder.join(format!("{seed}.slm"));
        std::fs::write(&path, &bytes).unwrap();
        let agreed = minimodel::RunConsent::given([Action::Serve], "test");
        let plan = SharePlan {
            activity: "seed",
            manifest: Arc::new(Manifest::parse(text.as_bytes()).unwrap()),
            path,
            consents: Consents::to_share(agreed.for_receipt()).unwrap(),
            endpoint: Endpoint::default(),
            members: Vec::new(),
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

    fn next(&self) -> Option<u16> {
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
    let port = blocked.next().unwrap();
    assert_eq!(blocked.next(), None, "a snapshot, after which its watcher waits");
    let other = Sharing::start(folder.path(), 2, &shared, None);
    assert_eq!(other.next(), Some(port));
    for _ in 0..3 {
        assert_eq!(other.next(), None, "snapshots go on");
    }
    other.end();
    drop(release);
    blocked.end();
}
