//! Peers inside the test, on the real driver, with any software name.

use std::sync::{Arc, mpsc as std_mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use minimodel_swarm::driver::{
    Congestion, FetchEnd, FetchSettings, Incoming, Node, NodeSettings, SeedSettings, SessionSettings,
};
use minimodel_swarm::store::{FileSource, Opener, Part, PartSpec, RealDisk, SourceFile};
use minimodel_verifier::Manifest;
use minimodel_verifier::artifact::{ArtifactName, Format};
use minimodel_verifier::chunk::{Layout, Tree};
use minimodel_wire::SignedOffer;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::stage::{manifest, model, now};

/// A seeder on a thread of its own, stopped on drop.
pub(super) struct Stranger {
    offer: String,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Stranger {
    /// Serves the model, honestly, under the given software name.
    pub(super) fn seed(software: &str) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let (tell, told) = std_mpsc::channel();
        let software = software.to_owned();
        let thread = std::thread::spawn(move || {
            runtime().block_on(async {
                let folder = tempfile::tempdir().unwrap();
                let (manifest, layout) = parsed();
                let node = node(true);
                let offer = node.offer(*manifest.swarm_id(), now() + 3600).unwrap();
                tell.send(offer.to_string()).unwrap();
                let path = folder.path().join("model.slm");
                std::fs::write(&path, model()).unwrap();
                let hashes = model().chunks(layout.chunk_size() as usize).map(minimodel_verifier::sha256);
                let tree = Arc::new(Tree::from_chunk_hashes(hashes.collect()));
                let source = FileSource::new(SourceFile::open(&path).unwrap(), layout, tree).unwrap();
                let settings = SeedSettings {
                    manifest,
                    publish: false,
                    members: Vec::new(),
                    earlier: Vec::new(),
                    session: SessionSettings {
                        offer: Some(offer),
                        ..SessionSettings::new(software, 1, now())
                    },
                };
                node.seed(settings, Arc::new(source), &mut stopped).await.unwrap();
            });
        });
        Self { offer: told.recv().unwrap(), stop, thread: Some(thread) }
    }

    /// The seeder's offer.
    pub(super) fn offer(&self) -> &str {
        &self.offer
    }

    /// Fetches the model under the given software name; true if it completed within `patience`.
    pub(super) fn fetch(offer: &str, software: &str, patience: Duration) -> bool {
        runtime().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (manifest, layout) = parsed();
            let spec = PartSpec { swarm_id: *manifest.swarm_id(), layout, root: *manifest.merkle_root() };
            let opener = Opener { pid: std::process::id(), now_unix: now() };
            let disk = RealDisk::open(folder.path()).unwrap();
            let (part, resumed) =
                Part::open(disk, &ArtifactName::new("stranger", Format::Slm), spec, opener).unwrap();
            let session = SessionSettings::new(software, 1, now());
            let settings = FetchSettings {
                stall_timeout: patience,
                ..FetchSettings::new(manifest, vec![offer.parse::<SignedOffer>().unwrap()], session)
            };
            let node = node(false);
            let mut fetching = node.fetch(settings, Arc::new(part), &resumed).unwrap();
            let (_stop, mut stopped) = watch::channel(false);
            let end = fetching.run(&mut stopped).await.unwrap();
            let is_whole = matches!(end, FetchEnd::Checked(_));
            fetching.close().await.unwrap();
            is_whole
        })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // A panic of that thread has already failed the test.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn parsed() -> (Arc<Manifest>, Layout) {
    let manifest = Manifest::parse(manifest().render().as_bytes()).unwrap();
    let layout = Layout::new(manifest.byte_count(), manifest.chunk_size()).unwrap();
    (Arc::new(manifest), layout)
}

/// A node with a new key on loopback: a key that misbehaved once is shut out for a while, and this test makes many
/// nodes.
fn node(serves: bool) -> Node {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).unwrap();
    Node::bind(NodeSettings {
        key: SigningKey::from_bytes(&seed),
        listen: "127.0.0.1:0".parse().unwrap(),
        advertise: Vec::new(),
        interfaces: Default::default,
        incoming: if serves { Incoming::OneSession } else { Incoming::Ignored },
        max_datagram: None,
        congestion: Congestion::default(),
    })
    .unwrap()
}
