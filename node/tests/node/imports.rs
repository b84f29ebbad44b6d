//! A fetch that serves, while its file is put into its place.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use minimodel::publishers::Publishers;
use minimodel::transfer::{self, Consents, Control, End, FetchOptions, FetchPlan, Run, Target};
use minimodel::{Action, Event, Home, RunConsent, SignedOffer, Watcher};

use super::handles::{PATIENCE, World, loopback, within};

/// Holds the import up, as a disk that hangs does, until the other end of its channel is dropped.
struct Holds {
    offers: mpsc::Sender<SignedOffer>,
    complete: mpsc::Sender<()>,
    release: Mutex<mpsc::Receiver<()>>,
}

impl Watcher for Holds {
    fn tell(&self, event: Event) {
        match event {
            Event::Offer { offer, .. } => self.offers.send(offer).unwrap(),
            Event::Complete => {
                self.complete.send(()).unwrap();
                let _ = self.release.lock().unwrap().recv();
            }
            _ => {}
        }
    }
}

// Rows: F4
#[tokio::test]
async fn peers_are_served_while_the_file_is_put_into_its_place() {
    let world = World::new();
    let (seeding, seed) = world.share().await;
    let home = Home::at(world.at("carol"));
    let agreed = RunConsent::given([Action::Fetch, Action::Import, Action::Serve], "test");
    let mut options = FetchOptions::default();
    options.endpoint = loopback();
    let plan = FetchPlan {
        activity: "fetch",
        manifest: world.manifest.clone(),
        sources: vec![seed],
        target: Target::new(&world.at("carols"), &world.manifest, None).unwrap(),
        publisher: Publishers::verdict_in(&home, &world.manifest).unwrap(),
        consents: Consents::to_fetch(agreed.for_receipt()).unwrap(),
        begun_unix: minimodel::clock::now_unix(),
        options,
    };
    let ((offers, offered), (complete, is_complete)) = (mpsc::channel(), mpsc::channel());
    let (release, held) = mpsc::channel();
    let watcher = Arc::new(Holds { offers, complete, release: Mutex::new(held) });
    let run = Run { home, watcher, control: Control::default(), shared: None };
    let holding = thread::spawn(move || transfer::fetch(&run, &plan));
    is_complete.recv_timeout(PATIENCE).unwrap();
    seeding.control().cancel();
    within(seeding.finish()).await.unwrap();
    // The only source now is the fetch whose import has not ended.
    let fetch = world.fetch(offered.recv_timeout(PATIENCE).unwrap(), None);
    assert!(within(fetch.finish()).await.unwrap().path.is_file());
    drop(release);
    assert!(matches!(holding.join().unwrap(), Ok(End::Done(_))));
}
