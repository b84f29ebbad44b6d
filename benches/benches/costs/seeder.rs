//! A real seeder on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
use minimodel_swarm::driver::{Congestion, Incoming, Node, NodeSettings, SeedSettings, SessionSettings};
use minimodel_swarm::store::{FileSource, SourceFile};
use minimodel_verifier::Manifest;
use minimodel_verifier::chunk::Layout;
use minimodel_verifier::verify::verify_artifact;
use minimodel_wire::{Consent, Hello, SignedOffer};
use tokio::sync::{mpsc, watch};

/// 4,096 chunks of the smallest size.
const BYTES: u64 = 64 << 20;

pub(crate) struct Seeder {
    pub(crate) offer: SignedOffer,
    pub(crate) hello: Hello,
    _stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

pub(crate) fn now_unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn start() -> Seeder {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("costs.slm");
    let bytes = slm_vec(&Shape::about(BYTES, Quantization::Q8_0).unwrap(), 1);
    std::fs::write(&path, &bytes).unwrap();
    let options = ManifestOptions { chunk_size: 16 << 10, ..ManifestOptions::default() };
    let manifest = Arc::new(Manifest::parse(ManifestText::of(&bytes, &options).render().as_bytes()).unwrap());
    let hello = Hello {
        version: 1,
        swarm_id: *manifest.swarm_id(),
        artifact_sha256: *manifest.artifact_sha256(),
        license_sha256: manifest.license_digest(),
        evidence_sha256: manifest.evidence_digest(),
        chunk_size: manifest.chunk_size().try_into().unwrap(),
        chunk_count: manifest.chunk_count().try_into().unwrap(),
        consent: Consent::FETCH | Consent::PUBLISH,
        software: "costs/1".to_owned(),
    };
    let file = SourceFile::open(&path).unwrap();
    let tree = verify_artifact(&manifest, &mut file.reader()).unwrap().tree.unwrap();
    let layout = Layout::new(manifest.byte_count(), manifest.chunk_size()).unwrap();
    let source = Arc::new(FileSource::new(file, layout, Arc::new(tree)).unwrap());
    let (end, mut stop) = watch::channel(false);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let node = Node::bind(NodeSettings {
                key: SigningKey::from_bytes(&[7; 32]),
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                advertise: Vec::new(),
                interfaces: Default::default,
                incoming: Incoming::OneSession,
                max_datagram: None,
                congestion: Congestion::default(),
            })
            .unwrap();
            let (reports, _nobody) = mpsc::channel(1);
            let offer = node.offer(*manifest.swarm_id(), now_unix() + 3_600).unwrap();
            tell.send(offer.clone()).unwrap();
            let settings = SeedSettings {
                manifest,
                publish: true,
                members: Vec::new(),
                earlier: Vec::new(),
                session: SessionSettings {
                    offer: Some(offer),
                    reports,
                    ..SessionSettings::new("costs/1", 7, now_unix())
                },
            };
            let _ = node.seed(settings, source, &mut stop).await;
        });
    });
    Seeder { offer: told.recv().unwrap(), hello, _stop: end, _folder: folder }
}
