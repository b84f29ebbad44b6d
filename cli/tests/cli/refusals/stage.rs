//! Set-up of the refusal tests: one model, manifests that differ in one line, offers of any key for any address, and
//! folders whose every byte can be compared.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
use minimodel_wire::{Offer, PeerId, SignedOffer};

use crate::home::{Home, Ran};

/// Bytes of a chunk.
pub(super) const CHUNK: u64 = 16 << 10;
/// The name of the finished file.
pub(super) const TARGET: &str = "sample-model-1.0.0.slm";
/// The name of the partial file.
pub(super) const PART: &str = "sample-model-1.0.0.slm.part";
/// The name of the record beside the partial file.
pub(super) const STATE: &str = "sample-model-1.0.0.slm.part.state";

/// A model of about 2 MiB: some 128 chunks, enough to be interrupted in.
pub(super) fn model() -> &'static [u8] {
    static MODEL: OnceLock<Vec<u8>> = OnceLock::new();
    MODEL.get_or_init(|| slm_vec(&Shape::about(2 << 20, Quantization::Q8_0).unwrap(), 11))
}

/// The right manifest of [`model`], unsigned.
pub(super) fn manifest() -> ManifestText {
    static MANIFEST: OnceLock<ManifestText> = OnceLock::new();
    MANIFEST.get_or_init(|| ManifestText::of(model(), &ManifestOptions::default())).clone()
}

/// A home with `model.slm` and `model.minimodel` in its working folder.
pub(super) fn stage() -> Home {
    let home = Home::new();
    home.write("model.slm", model());
    home.write("model.minimodel", manifest().render());
    home
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// An offer signed by `key`, good for an hour.
pub(super) fn offer(key: &SigningKey, swarm_id: [u8; 32], address: SocketAddr) -> String {
    offer_until(key, swarm_id, address, now() + 3600)
}

/// An offer with the given expiry.
pub(super) fn offer_until(
    key: &SigningKey,
    swarm_id: [u8; 32],
    address: SocketAddr,
    expires_unix: u64,
) -> String {
    let peer = PeerId(key.verifying_key().to_bytes());
    let offer = Offer { peer, swarm_id, addresses: vec![address], expires_unix };
    SignedOffer::sign(offer, key).unwrap().to_string()
}

/// A key that no process of the test has.
pub(super) fn stranger() -> SigningKey {
    SigningKey::from_bytes(&[0x5c; 32])
}

/// The peer id of a key, as it is printed.
pub(super) fn peer_id(key: &SigningKey) -> String {
    PeerId(key.verifying_key().to_bytes()).to_string()
}

/// The key in an identity file.
pub(super) fn identity_of(home: &Home) -> SigningKey {
    let text = fs::read_to_string(home.own("data/identity.key")).unwrap();
    let seed = text.lines().find_map(|line| line.strip_prefix("seed ")).unwrap();
    let seed = data_encoding::HEXLOWER.decode(seed.as_bytes()).unwrap();
    SigningKey::from_bytes(&seed.try_into().unwrap())
}

/// A socket on loopback that receives every datagram and answers none.
pub(super) struct Listener(UdpSocket);

impl Listener {
    pub(super) fn new() -> Self {
        // Where the system has more than one loopback address, not that of the seeders: a fetch of another test that
        // still dials its ended seeder must not be heard here.
        let socket = UdpSocket::bind("127.0.0.2:0").or_else(|_| UdpSocket::bind("127.0.0.1:0")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self(socket)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// An offer of the key `stranger`, for the address of this listener.
    pub(super) fn offer(&self, swarm_id: [u8; 32]) -> String {
        offer(&stranger(), swarm_id, self.address())
    }

    /// Whether a datagram came.
    pub(super) fn was_dialed(&self) -> bool {
        self.0.recv_from(&mut [0; 2048]).is_ok()
    }
}

/// Snapshot of a folder. For each name: kind and mode, number of hard links, and content or link target.
pub(super) type FolderSnapshot = BTreeMap<PathBuf, (u32, u64, Vec<u8>)>;

/// Takes a snapshot of every name below a folder; empty when the folder is not there.
pub(super) fn snapshot(folder: &Path) -> FolderSnapshot {
    let mut snapshot = FolderSnapshot::new();
    let Ok(entries) = fs::read_dir(folder) else { return snapshot };
    for entry in entries {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let content = if metadata.is_file() {
            fs::read(&path).unwrap()
        } else if metadata.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else {
            Vec::new()
        };
        if metadata.is_dir() {
            snapshot.extend(self::snapshot(&path));
        }
        snapshot.insert(path, (metadata.mode(), metadata.nlink(), content));
    }
    snapshot
}

/// Asserts that a folder still equals its snapshot.
#[track_caller]
pub(super) fn is_unchanged(before: &FolderSnapshot, folder: &Path) {
    let now = snapshot(folder);
    let differs = |path: &&PathBuf| before.get(*path) != now.get(*path);
    let changed: Vec<&PathBuf> = before.keys().chain(now.keys()).filter(differs).collect();
    assert!(changed.is_empty(), "changed: {changed:?}");
}

/// Asserts that a run reported its failure in blocks: the error (and cause) contains every one of `words`, and there
/// is a hint. The streams may hold no unescaped control characters.
#[track_caller]
pub(super) fn names(ran: &Ran, words: &[&str]) {
    ran.is_harmless();
    let (_, blocks) = ran.stderr.split_once("error: ").unwrap_or_else(|| panic!("no error: {}", ran.stderr));
    let (told, hint) = blocks.split_once("\nhint: ").unwrap_or_else(|| panic!("no hint: {}", ran.stderr));
    for word in words {
        assert!(told.contains(word), "{word} is not in: {told}");
    }
    assert!(hint.trim().len() > 10, "no next step: {hint}");
}

/// The `hint:` block.
#[track_caller]
pub(super) fn hint(ran: &Ran) -> &str {
    ran.stderr.split_once("\nhint: ").unwrap_or_else(|| panic!("no hint: {}", ran.stderr)).1
}
