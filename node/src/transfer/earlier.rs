//! Peers that gave chunks of an artifact in earlier runs: remembered by their offers, and dialed first when it is fetched again.
//!
//! An offer that the user named needs the consent to fetch, as it did then; one that came from a member is used only by a fetch
//! whose user agrees to publish, as that one's had.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use minimodel_swarm::machine::{self, EarlierPeer};
use minimodel_swarm::store::{PeerKey, Supplied, files};
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::hex;
use minimodel_wire::{PeerId, SignedOffer};

use super::offer::check_offer;
use crate::clock::now_unix;
use crate::event::{Event, Watcher};
use crate::home::Home;
use crate::private::{self, Exposed, Others};

/// Folder name in the state folder: one file for each swarm.
const FOLDER: &str = "peers";
const FIRST_LINE: &str = "minimodel-peers-v0";
const NAMED: &str = "named";
const MEMBER: &str = "member";
/// Peers that are remembered of a swarm: those that helped last.
const MOST: usize = 32;
/// Longest file that is read; one with the most peers is shorter.
const MAX_BYTES: u64 = 64 << 10;
/// Offers of connected peers that a run keeps in mind.
const MOST_OFFERS: usize = 256;
/// Age at which a file holds no offer that is still good: no offer is good for longer than 30 days.
const OVER: Duration = Duration::from_secs(30 * 86_400);

/// Peers that gave chunks of the manifest's file before, that the user does not name again, and whose offers are still good: those
/// that helped last come first. A fetch dials them before others; those that were not named, if its user agrees to publish.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// let known = minimodel::transfer::earlier_peers(&home, &manifest, &[]);
/// assert!(known.is_empty(), "nothing was fetched yet");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn earlier_peers(home: &Home, manifest: &Manifest, named: &[SignedOffer]) -> Vec<EarlierPeer> {
    let book = EarlierPeers::of(home, manifest.swarm_id());
    let mut earlier = book.map(|book| book.read(now_unix())).unwrap_or_default();
    earlier.retain(|it| named.iter().all(|named| named.offer().peer != it.offer.offer().peer));
    earlier
}

/// The remembered peers of one swarm.
#[derive(Clone, Debug)]
pub(super) struct EarlierPeers {
    path: PathBuf,
    swarm_id: [u8; 32],
}

impl EarlierPeers {
    /// The record in the user's folders; `None` if no state folder can be used.
    pub(super) fn of(home: &Home, swarm_id: &[u8; 32]) -> Option<Self> {
        let folder = home.state().ok()?.join(FOLDER);
        Some(Self { path: folder.join(hex(swarm_id)), swarm_id: *swarm_id })
    }

    /// Reads the peers whose offers are still good, the most helpful first. A file that is damaged, or that another account could
    /// have written, holds none: it only saves a search.
    pub(super) fn read(&self, now_unix: u64) -> Vec<EarlierPeer> {
        let is_ours = matches!(Exposed::of_path(&self.path, Others::Read), Ok(None));
        let bytes = is_ours.then(|| private::read(&self.path, MAX_BYTES).ok().flatten()).flatten();
        let text =
            bytes.filter(|bytes| bytes.len() as u64 <= MAX_BYTES).and_then(|it| String::from_utf8(it).ok());
        let text = text.unwrap_or_default();
        let mut lines = text.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Vec::new();
        }
        lines.filter_map(|line| self.parse(line, now_unix)).take(MOST).collect()
    }

    fn parse(&self, line: &str, now_unix: u64) -> Option<EarlierPeer> {
        let (how, offer) = line.split_once(' ')?;
        let was_named = match how {
            NAMED => true,
            MEMBER => false,
            _ => return None,
        };
        let offer: SignedOffer = offer.parse().ok()?;
        let is_good = check_offer(&offer, None, now_unix).is_ok() && offer.offer().swarm_id == self.swarm_id;
        is_good.then_some(EarlierPeer { offer, was_named })
    }

    /// Remembers peers that helped in this run before those of earlier ones.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub(super) fn keep(&self, helped: Vec<EarlierPeer>, now_unix: u64) -> io::Result<()> {
        let mut kept = BTreeSet::new();
        let lines =
            helped.into_iter().chain(self.read(now_unix)).filter(|it| kept.insert(it.offer.offer().peer));
        let mut text = format!("{FIRST_LINE}\n");
        for EarlierPeer { offer, was_named } in lines.take(MOST) {
            text += &format!("{} {offer}\n", if was_named { NAMED } else { MEMBER });
        }
        let folder = files::folder_of(&self.path);
        private::create_folder(folder)?;
        files::replace(&self.path, text.as_bytes())?;
        remove_old(folder)
    }
}

/// Removes files none of whose offers can still be good.
fn remove_old(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let is_old = |modified: SystemTime| modified.elapsed().is_ok_and(|age| age > OVER);
        if metadata.is_file() && metadata.modified().is_ok_and(is_old) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Notes the offers of the peers of a run, and passes every event on.
pub(super) struct Helpers {
    watcher: Arc<dyn Watcher>,
    /// Offers that the user named, or that were named in an earlier run, and offers that members gave.
    offers: Mutex<Offers>,
}

type Offers = BTreeMap<PeerId, EarlierPeer>;

impl Helpers {
    /// `known`: peers that are dialed from the beginning.
    pub(super) fn new(watcher: Arc<dyn Watcher>, known: impl IntoIterator<Item = EarlierPeer>) -> Arc<Self> {
        let offers = known.into_iter().map(|it| (it.offer.offer().peer, it)).collect();
        Arc::new(Self { watcher, offers: Mutex::new(offers) })
    }

    fn offers(&self) -> MutexGuard<'_, Offers> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers those that gave chunks, by the record of the partial file, for the next run: who gave the most comes first. A
    /// run that is interrupted reports its last chunks to nobody, but they are in the record. A disk that takes nothing costs
    /// the next run a search.
    pub(super) fn remember(
        &self,
        book: &EarlierPeers,
        suppliers: BTreeMap<PeerKey, Supplied>,
        now_unix: u64,
    ) {
        let mut offers = std::mem::take(&mut *self.offers());
        let mut suppliers: Vec<_> = suppliers.into_iter().collect();
        suppliers.sort_by_key(|(_, supplied)| Reverse(supplied.chunks));
        let helped: Vec<EarlierPeer> =
            suppliers.into_iter().filter_map(|(peer, _)| offers.remove(&PeerId(peer))).collect();
        if !helped.is_empty() {
            let _ = book.keep(helped, now_unix);
        }
    }

    /// Notes the offer that a member gave of itself. Whoever the user named stays so, with the newer addresses beside: only the
    /// offer that was named keeps private addresses.
    fn gave(&self, offer: &SignedOffer) {
        let (peer, mut offers) = (offer.offer().peer, self.offers());
        let is_named = offers.get(&peer).is_some_and(|known| known.was_named);
        if !is_named && (offers.len() < MOST_OFFERS || offers.contains_key(&peer)) {
            offers.insert(peer, EarlierPeer { offer: offer.clone(), was_named: false });
        }
    }
}

impl Watcher for Helpers {
    fn tell(&self, event: Event) {
        if let Event::Swarm(machine::Event::Offered(offer)) = &event {
            self.gave(offer);
        }
        self.watcher.tell(event);
    }

    fn may_block(&self) -> bool {
        self.watcher.may_block()
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use minimodel_wire::Offer;

    use super::*;

    const SWARM: [u8; 32] = [5; 32];
    const NOW: u64 = 1_800_000_000;

    fn offer(seed: u8, swarm_id: [u8; 32], expires_unix: u64) -> SignedOffer {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let peer = PeerId(key.verifying_key().to_bytes());
        let addresses = vec![format!("203.0.113.{seed}:4433").parse().unwrap()];
        SignedOffer::sign(Offer { peer, swarm_id, addresses, expires_unix }, &key).unwrap()
    }

    fn good(seed: u8) -> SignedOffer {
        offer(seed, SWARM, NOW + 500_000)
    }

    fn book(folder: &Path) -> EarlierPeers {
        EarlierPeers::of(&Home::at(folder), &SWARM).unwrap()
    }

    fn who(peers: &[EarlierPeer]) -> Vec<(PeerId, bool)> {
        peers.iter().map(|it| (it.offer.offer().peer, it.was_named)).collect()
    }

    fn earlier(seed: u8, was_named: bool) -> EarlierPeer {
        EarlierPeer { offer: good(seed), was_named }
    }

    #[test]
    fn who_helped_last_is_remembered_first_until_the_offer_ends() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(folder.path());
        assert_eq!(book.read(NOW), []);
        book.keep(vec![earlier(1, true), earlier(2, false)], NOW).unwrap();
        book.keep(
            vec![EarlierPeer { offer: offer(3, SWARM, NOW + 10), was_named: false }, earlier(2, false)],
            NOW,
        )
        .unwrap();
        let id = |seed| good(seed).offer().peer;
        assert_eq!(who(&book.read(NOW)), [(id(3), false), (id(2), false), (id(1), true)]);
        assert_eq!(who(&book.read(NOW + 100_000)), [(id(2), false), (id(1), true)]);
        book.keep((10..60).map(|seed| earlier(seed, false)).collect(), NOW).unwrap();
        assert_eq!(book.read(NOW).len(), MOST);
    }

    #[test]
    fn damaged_or_foreign_record_of_peers_names_none() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(folder.path());
        book.keep(vec![earlier(1, true)], NOW).unwrap();
        let (path, good) = (book.path.clone(), fs::read_to_string(&book.path).unwrap());
        let forged = good.replace("named mm1a", "named mm1b");
        let other_swarm = format!("{FIRST_LINE}\nnamed {}\n", offer(1, [6; 32], NOW + 1_000));
        let too_long = good.clone() + &"x".repeat(MAX_BYTES as usize);
        for bad in [forged, other_swarm, too_long, good.replace("v0", "v1"), good.replace("named", "known")] {
            fs::write(&path, bad).unwrap();
            assert_eq!(book.read(NOW), []);
        }
        fs::write(&path, &good).unwrap();
        assert_eq!(book.read(NOW).len(), 1);
        let mut writable = fs::metadata(&path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut writable, 0o666);
        fs::set_permissions(&path, writable).unwrap();
        assert_eq!(book.read(NOW), []);
    }

    #[test]
    fn record_without_a_good_offer_is_removed_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(folder.path());
        book.keep(vec![earlier(1, true)], NOW).unwrap();
        let old = book.path.with_file_name("old");
        fs::File::create(&old).unwrap().set_modified(SystemTime::now() - 2 * OVER).unwrap();
        book.keep(vec![earlier(2, true)], NOW).unwrap();
        assert!(!old.exists() && book.path.exists());
    }

    #[test]
    fn only_who_gave_a_chunk_is_remembered_and_as_it_was_met() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(folder.path());
        let helpers = Helpers::new(Arc::new(()), [earlier(1, true), earlier(2, true)]);
        let id = |seed| good(seed).offer().peer;
        for seed in [1, 3, 4] {
            helpers.tell(Event::Swarm(machine::Event::Offered(good(seed))));
        }
        // No event says so: the chunks of a run that is interrupted may be in the record alone.
        let gave = |(seed, chunks)| (id(seed).0, Supplied { chunks, bytes: 1 });
        helpers.remember(&book, [(1, 2), (3, 5), (5, 9)].map(gave).into(), NOW);
        assert_eq!(who(&book.read(NOW)), [(id(3), false), (id(1), true)]);
    }
}
