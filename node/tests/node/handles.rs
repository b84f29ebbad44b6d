//! What handles promise: consent, limits, pause, cancel, and a second fetch that finds the file there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use minimodel::publishers::{Publishers, Signer};
use minimodel::transfer::{Endpoint, FetchOptions, Limits};
use minimodel::{Action, Error, Event, Fetch, Home, Manifest, Node, RunConsent, Share, SignedOffer};
use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};

/// Time limit longer than any step takes; it only ends a hang.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Slow enough that a fetch of the test's model does not end by itself.
const SLOW: u64 = 64 << 10;

pub(super) struct World {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    pub(super) manifest: Arc<Manifest>,
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bytes = slm_vec(&Shape::about(3_000_000, Quantization::Q4_0).unwrap(), 8);
        let text = ManifestText::of(&bytes, &ManifestOptions::default()).render();
        std::fs::write(folder.path().join("model.slm"), &bytes).unwrap();
        let manifest = Arc::new(Manifest::parse(text.as_bytes()).unwrap());
        Self { folder, bytes, manifest }
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn node(&self, name: &str) -> Node {
        Node::open(Home::at(self.at(name))).unwrap()
    }

    pub(super) async fn share(&self) -> (Share, SignedOffer) {
        let share = self.node("alice").share(self.manifest.clone(), self.at("model.slm"));
        let agreed = RunConsent::given([Action::Serve], "test");
        let mut share = share.endpoint(loopback()).start(&agreed).unwrap();
        let offer = within(share.offer()).await.unwrap();
        (share, offer)
    }

    pub(super) fn fetch(&self, offer: SignedOffer, down: Option<u64>) -> Fetch {
        let mut options = FetchOptions::default();
        options.endpoint = loopback();
        let limits = Limits { down, ..Limits::default() };
        let fetch = self.node("bob").fetch(offer).into_folder(self.at("models"));
        fetch.options(options).limits(limits).start(&agreed()).unwrap()
    }
}

pub(super) fn loopback() -> Endpoint {
    Endpoint { listen: Some(([127, 0, 0, 1], 0).into()), ..Endpoint::default() }
}

fn agreed() -> RunConsent {
    RunConsent::given([Action::Fetch, Action::Import], "test")
}

pub(super) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it takes too long")
}

/// Takes events until one satisfies `is_meant`.
async fn until(fetch: &mut Fetch, is_meant: impl Fn(&Event) -> bool) {
    let meant = async { while !is_meant(&fetch.next().await.expect("the fetch ended")) {} };
    within(meant).await;
}

fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "part")
}

#[tokio::test]
async fn a_fetch_pauses_goes_on_and_is_there_for_the_next() {
    let world = World::new();
    let (share, offer) = world.share().await;
    let mut fetch = world.fetch(offer.clone(), Some(SLOW));
    until(&mut fetch, |event| matches!(event, Event::Snapshot(now) if now.have_bytes > 0)).await;
    fetch.control().pause();
    until(&mut fetch, |event| matches!(event, Event::Paused)).await;
    assert!(fetch.control().is_paused());
    fetch.control().set_down(None);
    fetch.control().resume();
    until(&mut fetch, |event| matches!(event, Event::Resumed { have, .. } if *have > 0)).await;
    let imported = within(fetch.finish()).await.unwrap();
    assert_eq!(std::fs::read(&imported.path).unwrap(), world.bytes);
    assert_eq!(imported.receipt.import().consents.len(), 2);
    assert!(imported.summary.is_some());

    let again = within(world.fetch(offer, None).finish()).await.unwrap();
    assert!(again.summary.is_none() && again.receipt_path == imported.receipt_path);
    share.control().cancel();
    assert!(!within(share.finish()).await.unwrap().is_changed);
}

#[tokio::test]
async fn a_cancelled_fetch_says_so_and_leaves_its_partial_file() {
    let world = World::new();
    let (_share, offer) = world.share().await;
    let mut fetch = world.fetch(offer, Some(SLOW));
    until(&mut fetch, |event| matches!(event, Event::Snapshot(now) if now.have_bytes > 0)).await;
    fetch.control().cancel();
    assert!(matches!(within(fetch.finish()).await, Err(Error::Cancelled)));
    let files: Vec<_> =
        std::fs::read_dir(world.at("models")).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.iter().any(|path| is_part(path)), "{files:?}");
}

#[tokio::test]
async fn a_paused_share_comes_back_at_its_port() {
    let world = World::new();
    let (mut share, offer) = world.share().await;
    share.control().pause();
    within(async { while !matches!(share.next().await.unwrap(), Event::Paused) {} }).await;
    share.control().resume();
    let again = async {
        loop {
            if let Event::Offer { offer, .. } = share.next().await.unwrap() {
                break offer;
            }
        }
    };
    let again = within(again).await;
    assert_eq!(again.offer().addresses, offer.offer().addresses);
    assert!(within(world.fetch(offer, None).finish()).await.is_ok());
}

#[tokio::test]
async fn a_paused_share_counts_what_it_sent_before() {
    let world = World::new();
    let (mut share, offer) = world.share().await;
    within(world.fetch(offer, None).finish()).await.unwrap();
    share.control().pause();
    within(async { while !matches!(share.next().await.unwrap(), Event::Paused) {} }).await;
    share.control().resume();
    within(async { while !matches!(share.next().await.unwrap(), Event::Offer { .. }) {} }).await;
    share.control().cancel();
    assert!(within(share.finish()).await.unwrap().sent_bytes >= world.bytes.len() as u64);
}

#[tokio::test]
async fn a_fetch_cancelled_at_once_keeps_no_key_and_makes_no_folder() {
    let world = World::new();
    // Its work waits behind the lock of the consent log until it is cancelled.
    let node = world.node("bob");
    std::fs::create_dir_all(world.at("bob/state")).unwrap();
    let lock = std::fs::File::create(world.at("bob/state/consent.lock")).unwrap();
    lock.lock().unwrap();
    let fetch = node.fetch(world.manifest.clone()).into_folder(world.at("models")).start(&agreed()).unwrap();
    fetch.control().cancel();
    lock.unlock().unwrap();
    assert!(matches!(within(fetch.finish()).await, Err(Error::Cancelled)));
    assert!(!world.at("models").exists());
    assert!(!world.at("bob/state/publishers").exists());
}

#[tokio::test]
async fn without_consent_nothing_starts_and_nothing_is_dialed() {
    let world = World::new();
    let node = world.node("bob");
    for (actions, missing) in [
        (vec![Action::Fetch], Action::Import),
        (vec![Action::Import], Action::Fetch),
        (vec![Action::Fetch, Action::Import, Action::Publish], Action::Serve),
    ] {
        let started = node.fetch(world.manifest.clone()).start(&RunConsent::given(actions, "test"));
        assert!(matches!(started, Err(Error::MissingConsent(found)) if found.action == missing));
    }
    let started = node.share(world.manifest.clone(), world.at("model.slm")).start(&agreed());
    assert!(matches!(started, Err(Error::MissingConsent(found)) if found.action == Action::Serve));
    assert!(!world.at("bob/state/consent.log").exists());
}

#[tokio::test]
async fn to_keep_seeding_needs_the_consent_to_serve() {
    let world = World::new();
    let mut options = FetchOptions::default();
    options.keep_seeding = true;
    let fetch = world.node("bob").fetch(world.manifest.clone()).into_folder(world.at("models"));
    let started = fetch.options(options).start(&agreed());
    assert!(matches!(started, Err(Error::MissingConsent(found)) if found.action == Action::Serve));
}

// Rows: H10
#[tokio::test]
async fn share_under_another_key_needs_its_user_to_accept_it() {
    let world = World::new();
    let signed = |n: u8| {
        let signing_key = Some(ed25519_dalek::SigningKey::from_bytes(&[n; 32]));
        let options = ManifestOptions { signing_key, ..ManifestOptions::default() };
        Manifest::parse(ManifestText::of(&world.bytes, &options).render().as_bytes()).unwrap()
    };
    let known = Publishers::of(&world.at("alice").join("state"));
    let node = world.node("alice");
    known.keep(&signed(1), None, 0).unwrap();
    let share = || node.share(signed(2), world.at("model.slm")).endpoint(loopback());
    let agreed = RunConsent::given([Action::Serve], "test");
    let mut refused = share().start(&agreed).unwrap();
    assert!(within(refused.offer()).await.is_none());
    assert!(matches!(within(refused.finish()).await, Err(Error::Publisher(_))));
    let mut accepted = share().accept_signer(Signer::of(&signed(2))).start(&agreed).unwrap();
    assert!(within(accepted.offer()).await.is_some());
}
