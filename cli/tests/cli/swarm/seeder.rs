//! A seeder inside the test, built on the same driver as `seed`: it keeps the order of all requested chunks, and can
//! be made to lie.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, mpsc as std_mpsc};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use minimodel_swarm::driver::{
    Congestion, Incoming, Node, NodeSettings, RateLimit, SeedSettings, SessionLimits, SessionSettings,
};
use minimodel_swarm::store::{ChunkBytes, ChunkSource, FileSource, SourceError, SourceFile};
use minimodel_verifier::Digest;
use minimodel_verifier::chunk::Layout;
use minimodel_verifier::verify::verify_artifact;
use tokio::sync::watch;

use super::model::Model;

/// Number without a limit: of chunks that are right before every later chunk has a flipped bit, or of chunks that are
/// handed out.
const ALWAYS: usize = usize::MAX;

/// A running seeder, stopped on drop.
pub(super) struct Seeder {
    offer: String,
    peer: String,
    served: Arc<Served>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// The chunks handed out, in order, and the most that may be handed out: further requests wait.
#[derive(Default)]
struct Served(Mutex<(Vec<u32>, usize)>, Condvar);

impl Seeder {
    /// An honest seeder that sends so many bytes a second.
    pub(super) fn honest(model: &Model, bytes_per_second: u64) -> Self {
        Self::start(model, Some(bytes_per_second), ALWAYS)
    }

    /// A seeder whose first `honest` chunks are right, and all later chunks wrong.
    pub(super) fn liar(model: &Model, honest: usize) -> Self {
        Self::start(model, None, honest)
    }

    fn start(model: &Model, up_rate: Option<u64>, honest: usize) -> Self {
        let served = Arc::<Served>::default();
        served.0.lock().unwrap().1 = ALWAYS;
        let file = SourceFile::open(&model.artifact()).unwrap();
        let layout = Layout::new(model.manifest.byte_count(), model.manifest.chunk_size()).unwrap();
        let verified = verify_artifact(&model.manifest, &mut file.reader()).unwrap();
        let file = FileSource::new(file, layout, Arc::new(verified.tree.unwrap())).unwrap();
        let source = Arc::new(Watched { file, served: served.clone(), honest });
        let (stop, mut stopped) = watch::channel(false);
        let (tell, told) = std_mpsc::channel();
        let manifest = model.manifest.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let node = Node::bind(NodeSettings {
                    key: SigningKey::from_bytes(&random()),
                    listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                    advertise: Vec::new(),
                    interfaces: Default::default,
                    incoming: Incoming::OneSession,
                    max_datagram: None,
                    congestion: Congestion::default(),
                })
                .unwrap();
                let unix_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
                tell.send(node.offer(*manifest.swarm_id(), unix_now + 3600).unwrap()).unwrap();
                let settings = SeedSettings {
                    manifest,
                    publish: false,
                    members: Vec::new(),
                    earlier: Vec::new(),
                    session: SessionSettings {
                        limits: SessionLimits {
                            up: vec![RateLimit::new(up_rate)],
                            ..SessionLimits::default()
                        },
                        ..SessionSettings::new("minimodel-tests", 7, unix_now)
                    },
                };
                node.seed(settings, source, &mut stopped).await.unwrap();
            });
        });
        let offer = told.recv().unwrap();
        let (peer, offer) = (offer.offer().peer.to_string(), offer.to_string());
        Self { offer, peer, served, stop, thread: Some(thread) }
    }

    pub(super) fn offer(&self) -> &str {
        &self.offer
    }

    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    /// Chunks handed out so far, in order.
    pub(super) fn served(&self) -> Vec<u32> {
        self.served.0.lock().unwrap().0.clone()
    }

    /// Hands out so many more chunks, and no further chunk until the next call: the transfer cannot end meanwhile,
    /// however busy the machine is.
    pub(super) fn gives(&self, more: usize) {
        let mut served = self.served.0.lock().unwrap();
        served.1 = served.0.len() + more;
        self.served.1.notify_all();
    }

    /// Hands out every requested chunk again.
    pub(super) fn gives_all(&self) {
        self.served.0.lock().unwrap().1 = ALWAYS;
        self.served.1.notify_all();
    }

    /// The set of chunks handed out after the first `count`.
    pub(super) fn served_after(&self, count: usize) -> BTreeSet<u32> {
        self.served().into_iter().skip(count).collect()
    }
}

impl Drop for Seeder {
    fn drop(&mut self) {
        self.gives_all();
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // Its panic was printed already; raised here it would only hide the assertion that failed.
            let _ = thread.join();
        }
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// A chunk as a liar sends it.
pub(super) fn falsified(chunk: &[u8]) -> Vec<u8> {
    let mut bytes = chunk.to_vec();
    bytes[0] ^= 1;
    bytes
}

struct Watched {
    file: FileSource,
    served: Arc<Served>,
    honest: usize,
}

impl ChunkSource for Watched {
    fn layout(&self) -> &Layout {
        self.file.layout()
    }

    fn has(&self, index: u32) -> bool {
        self.file.has(index)
    }

    fn chunk(&self, index: u32) -> Result<ChunkBytes, SourceError> {
        let lies = {
            let served = self.served.0.lock().unwrap();
            let mut served = self.served.1.wait_while(served, |(given, most)| given.len() >= *most).unwrap();
            served.0.push(index);
            served.0.len() > self.honest
        };
        let chunk = self.file.chunk(index)?;
        Ok(if lies { ChunkBytes { bytes: falsified(&chunk.bytes).into(), ..chunk } } else { chunk })
    }

    fn chunk_hash(&self, index: u32) -> Option<Digest> {
        self.file.chunk_hash(index)
    }

    fn leaves(&self, first: u32, count: u32) -> Option<(Vec<Digest>, Vec<Digest>)> {
        self.file.leaves(first, count)
    }

    fn suspect(&self) {
        self.file.suspect();
    }
}
