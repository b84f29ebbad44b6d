//! The demo's three peers: real seeders with keys of their own, each on its own thread.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;

use ed25519_dalek::SigningKey;
use minimodel::clock::now_unix;
use minimodel::transfer;
use minimodel::transfer::runtime::{SOFTWARE, WAITING_REPORTS, block_on};
use minimodel_swarm::driver::{
    Congestion, Incoming, Node, NodeSettings, RateLimit, Report, SeedSettings, SessionLimits, SessionSettings,
};
use minimodel_swarm::store::{ChunkBytes, ChunkSource, FileSource, SourceError, SourceFile};
use minimodel_verifier::chunk::Layout;
use minimodel_verifier::verify::verify_artifact;
use minimodel_verifier::{Digest, Manifest};
use minimodel_wire::SignedOffer;
use tokio::sync::{mpsc, watch};

use crate::failure::Failure;
use crate::text;

/// Upload rate of each peer, in bytes per second: slow enough that the story has a middle.
const RATE: u64 = 7 << 20;
/// Bytes after which the leaver ends.
const LEAVES_AFTER: u64 = 6 << 20;
/// The liar flips a bit in one of this many chunks.
const ONE_LIE_IN: u32 = 16;

/// How a peer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Character {
    /// Follows the protocol.
    Honest,
    /// Sends a corrupted chunk now and then.
    Liar,
    /// Ends half-way.
    Leaver,
}

/// A running peer. Dropping it ends it.
pub(super) struct Peer {
    offer: SignedOffer,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Checks the file, then serves it until dropped.
    pub(super) fn start(
        character: Character,
        manifest: &Arc<Manifest>,
        artifact: &Path,
    ) -> Result<Self, Failure> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| Failure::unexpected("cannot make a key", &anyhow::anyhow!("{error}")))?;
        let source = source(character, manifest, artifact)?;
        let (stop, stopped) = watch::channel(false);
        let (tell, told) = std_mpsc::channel();
        let seeder = Seeder {
            character,
            key: SigningKey::from_bytes(&seed),
            manifest: manifest.clone(),
            source,
            stopped,
            stop: stop.clone(),
        };
        let thread = std::thread::spawn(move || seeder.run(&tell));
        match told.recv() {
            Ok(offer) => Ok(Self { offer: offer?, stop, thread: Some(thread) }),
            Err(error) => Err(Failure::unexpected("a peer of the demo did not start", &error.into())),
        }
    }

    pub(super) fn id(&self) -> String {
        self.offer.offer().peer.to_string()
    }

    pub(super) fn offer(&self) -> String {
        self.offer.to_string()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A peer that ended early has nothing left to report.
            let _ = thread.join();
        }
    }
}

fn source(
    character: Character,
    manifest: &Manifest,
    artifact: &Path,
) -> Result<Arc<dyn ChunkSource>, Failure> {
    let file = SourceFile::open(artifact).map_err(|error| text::store(&error))?;
    let verified = verify_artifact(manifest, &mut file.reader())
        .map_err(|error| Failure::reading("sample", artifact, &error))?;
    let tree = verified.tree.ok_or_else(|| {
        Failure::unexpected("the demo's sample is not valid", &anyhow::anyhow!("{:?}", verified.report))
    })?;
    let source = FileSource::new(file, transfer::layout(manifest).map_err(text::layout)?, Arc::new(tree))
        .map_err(|error| Failure::unexpected("the demo's sample changed", &error.into()))?;
    Ok(if character == Character::Liar { Arc::new(Liar(source)) } else { Arc::new(source) })
}

struct Seeder {
    character: Character,
    key: SigningKey,
    manifest: Arc<Manifest>,
    source: Arc<dyn ChunkSource>,
    stopped: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
}

impl Seeder {
    fn run(self, tell: &std_mpsc::Sender<Result<SignedOffer, Failure>>) {
        if let Err(failure) = block_on(self.serve(tell)) {
            // An error after the offer is not received any more; the fetch shows what is missing.
            let _ = tell.send(Err(failure));
        }
    }

    async fn serve(mut self, tell: &std_mpsc::Sender<Result<SignedOffer, Failure>>) -> Result<(), Failure> {
        let failed = |error| text::driver(&error);
        let node = Node::bind(NodeSettings {
            key: self.key.clone(),
            listen: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
            advertise: Vec::new(),
            interfaces: Default::default,
            incoming: Incoming::OneSession,
            max_datagram: None,
            congestion: Congestion::default(),
        })
        .map_err(failed)?;
        let offer = node.offer(*self.manifest.swarm_id(), now_unix() + 3600).map_err(failed)?;
        // The demo waits for it.
        let _ = tell.send(Ok(offer));
        let (reports, waiting) = mpsc::channel(WAITING_REPORTS);
        let settings = SeedSettings {
            manifest: self.manifest.clone(),
            publish: false,
            members: Vec::new(),
            earlier: Vec::new(),
            session: SessionSettings {
                reports,
                limits: SessionLimits { up: vec![RateLimit::new(Some(RATE))], ..SessionLimits::default() },
                ..SessionSettings::new(SOFTWARE, 7, now_unix())
            },
        };
        if self.character == Character::Leaver {
            tokio::spawn(leave_in_time(waiting, self.stop.clone()));
        }
        node.seed(settings, self.source.clone(), &mut self.stopped).await.map_err(failed)?;
        Ok(())
    }
}

async fn leave_in_time(mut reports: mpsc::Receiver<Report>, stop: watch::Sender<bool>) {
    while let Some(report) = reports.recv().await {
        if let Report::Snapshot(snapshot) = report
            && snapshot.sent_bytes >= LEAVES_AFTER
        {
            stop.send_replace(true);
            return;
        }
    }
}

/// Serves a file, with a bit flipped in some chunks.
struct Liar(FileSource);

impl ChunkSource for Liar {
    fn layout(&self) -> &Layout {
        self.0.layout()
    }

    fn has(&self, index: u32) -> bool {
        self.0.has(index)
    }

    fn chunk(&self, index: u32) -> Result<ChunkBytes, SourceError> {
        let honest = self.0.chunk(index)?;
        if !index.is_multiple_of(ONE_LIE_IN) {
            return Ok(honest);
        }
        let mut bytes = honest.bytes.to_vec();
        if let Some(byte) = bytes.first_mut() {
            *byte ^= 1;
        }
        Ok(ChunkBytes { bytes: bytes.into(), proof: honest.proof })
    }

    fn chunk_hash(&self, index: u32) -> Option<Digest> {
        self.0.chunk_hash(index)
    }

    fn leaves(&self, first: u32, count: u32) -> Option<(Vec<Digest>, Vec<Digest>)> {
        self.0.leaves(first, count)
    }

    fn suspect(&self) {}
}
