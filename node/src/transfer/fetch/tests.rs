use std::path::Path;

use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};

use ed25519_dalek::SigningKey;
use minimodel_verifier::Manifest;
use minimodel_wire::Offer;

use super::super::{Consents, FetchOptions};
use super::*;
use crate::consent::RunConsent;
use crate::home::Home;
use crate::publishers::Publishers;

fn manifest() -> Manifest {
    let artifact = slm_vec(&Shape::about(45_000, Quantization::Q4_0).unwrap(), 8);
    let text = ManifestText::of(&artifact, &ManifestOptions::default()).render();
    Manifest::parse(text.as_bytes()).unwrap()
}

fn target(folder: &Path) -> Target {
    Target::new(folder, &manifest(), None).unwrap()
}

// Rows: H4
#[test]
fn peer_that_a_member_named_is_not_named_to_the_next_share() {
    let folder = tempfile::tempdir().unwrap();
    let (home, manifest) = (Home::at(folder.path().join("home")), manifest());
    let offer = |seed: u8| {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let offer = Offer {
            peer: PeerId(key.verifying_key().to_bytes()),
            swarm_id: *manifest.swarm_id(),
            addresses: vec!["192.168.1.1:53".parse().unwrap()],
            expires_unix: now_unix() + 1_000,
        };
        SignedOffer::sign(offer, &key).unwrap()
    };
    let before = EarlierPeer { offer: offer(1), was_named: false };
    EarlierPeers::of(&home, manifest.swarm_id()).unwrap().keep(vec![before.clone()], now_unix()).unwrap();
    let agreed = RunConsent::given(Action::ALL, "dialog");
    let plan = FetchPlan {
        activity: "fetch",
        target: target(folder.path()),
        publisher: Publishers::verdict_in(&home, &manifest).unwrap(),
        consents: Consents::to_fetch(agreed.for_receipt()).unwrap(),
        manifest: manifest.clone().into(),
        sources: vec![offer(2)],
        begun_unix: now_unix(),
        options: FetchOptions { keep_seeding: true, ..FetchOptions::default() },
    };
    let run = Run { home, watcher: Arc::new(()), control: Control::default(), shared: None };
    let share = share_on(&run, &plan).unwrap();
    assert_eq!((share.members, share.earlier), (vec![offer(2)], vec![before]));
}

// Rows: E12
#[test]
fn fetch_waits_for_part_file_still_held_by_its_own_process() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path());
    let control = Control::default();
    let (held, _) = open_part(&target, &control).unwrap();
    let letting_go = std::thread::spawn(move || {
        std::thread::sleep(OWN_PAUSE * 4);
        drop(held);
    });
    assert!(open_part(&target, &control).is_ok());
    letting_go.join().unwrap();
}

#[test]
fn cancelled_fetch_stops_waiting_for_its_own_part_file() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(folder.path());
    let control = Control::default();
    let (_held, _) = open_part(&target, &control).unwrap();
    control.cancel();
    let (begun, refused) = (Instant::now(), open_part(&target, &control));
    assert!(matches!(refused, Err(TargetError::Check(CheckError::Stopped))));
    assert!(begun.elapsed() < OWN_PATIENCE);
}
