//! Events: what a program that uses this crate can show its user while work goes on.

use std::path::PathBuf;
use std::sync::Arc;

use minimodel_swarm::driver::{Report, Snapshot};
use minimodel_swarm::machine;
use minimodel_verifier::Manifest;
use minimodel_wire::{PeerId, SignedOffer};

use crate::private::Exposed;
use crate::transfer::{Imported, WayEvent};

use crate::bans::BansError;
use crate::checks::{How, Miss, NotRecorded};

/// Progress, a note or a warning. It carries values; the program that shows it makes the sentence.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// use minimodel::{Event, Identity};
///
/// let show = |event: Event| match event {
///     Event::IdentityCreated { path, .. } => println!("keep a copy of `{}`", path.display()),
///     Event::Snapshot(now) => println!("{} of {} bytes", now.have_bytes, now.total_bytes),
///     other if other.is_report() => {}
///     other => println!("{other:?}"),
/// };
/// assert!(Identity::load_or_create(&home, &show)?.is_new);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A new identity was created. Its file is a secret that cannot be made again.
    IdentityCreated {
        /// The peer id.
        peer: PeerId,
        /// The file that holds the key.
        path: PathBuf,
    },
    /// The bans of earlier runs could not be read, so this run does not know them.
    BansUnknown(BansError),
    /// A peer that the user named is banned and is not asked.
    PeerBanned {
        /// The peer.
        peer: PeerId,
        /// End of the ban, in seconds since 1970.
        until_unix: u64,
    },
    /// A ban could not be recorded, so later runs will not know it.
    BanNotRecorded {
        /// The banned peer.
        peer: PeerId,
        /// Why.
        error: BansError,
    },
    /// A full check has read this much of its file.
    CheckProgress {
        /// Bytes read.
        read_bytes: u64,
        /// Bytes of the file.
        total_bytes: u64,
    },
    /// A file passed every check, and the next share of it need not read it.
    CheckRecorded {
        /// The file.
        path: PathBuf,
    },
    /// A file passed every check, and a later share reads it all the same.
    CheckNotRecorded {
        /// The file.
        path: PathBuf,
        /// Why.
        why: NotRecorded,
    },
    /// A file to be shared passed every check.
    ShareChecked(ShareCheck),
    /// Other accounts can replace files in the folder of the file.
    SharedFolder {
        /// The folder.
        folder: PathBuf,
        /// What lets them.
        how: Exposed,
    },
    /// A file of the partial file's name was not known to be of this artifact, and has another name now.
    PutAside {
        /// Its new path.
        path: PathBuf,
    },
    /// The record of the partial file was damaged; the disk is searched for what is good.
    RecordDamaged,
    /// The partial file is open.
    Resumed {
        /// Chunks that are here and proven.
        have: usize,
        /// Chunks of the file.
        chunks: u64,
        /// Recorded chunks that are not good on the disk.
        lost: u32,
    },
    /// Peers that gave chunks in earlier runs are dialed first.
    EarlierPeers {
        /// Their number.
        peers: usize,
    },
    /// The transfer begins: peers are dialed or awaited.
    Started,
    /// The transfer is paused: it has no connection, and its files are closed.
    Paused,
    /// The manifest came from the peer of an offer.
    Manifest(Arc<Manifest>),
    /// The offer that leads to this transfer.
    Offer {
        /// The offer.
        offer: SignedOffer,
        /// The UDP port on which the transfer listens.
        port: u16,
        /// The port of earlier offers, if another program has it: the transfer listens on another until it is started again, and
        /// those offers lead nowhere meanwhile.
        taken_port: Option<u16>,
    },
    /// The offer was signed anew.
    OfferRenewed(SignedOffer),
    /// Something happened in the swarm.
    Swarm(machine::Event),
    /// Something happened on a way to be found or reached that its user agreed to.
    Way(Box<WayEvent>),
    /// How the transfer stands, several times a second while bytes move.
    Snapshot(Box<Snapshot>),
    /// Every chunk is here, and the whole file was checked.
    Complete,
    /// Another manifest is beside the file, and was left as it is.
    OtherManifest {
        /// Its path.
        path: PathBuf,
    },
    /// The file is there already, whole and right.
    Whole {
        /// The file.
        path: PathBuf,
    },
    /// The file is in its place, with its receipt.
    Imported(Box<Imported>),
    /// The transfer goes on to serve the whole file until it is stopped.
    KeepsSeeding,
    /// The record of an earlier download stood beside a file to be repaired, and has another name now.
    OldRecordAside {
        /// The file.
        file: PathBuf,
        /// The new path of the record.
        path: PathBuf,
    },
    /// A file to be repaired did not get its own name back.
    NameNotGivenBack {
        /// The name that the file has.
        part: PathBuf,
        /// Why.
        error: String,
    },
}

/// How a file to be shared was checked.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Home, Manifest, Node, RunConsent, transfer::Endpoint};
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("model.slm");
/// # std::fs::write(&file, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let listen = Endpoint { listen: Some("127.0.0.1:0".parse()?), ..Endpoint::default() };
/// # let share = Node::open(Home::at(folder.path()))?.share(manifest, &file).endpoint(listen);
/// # let mut share = share.start(&RunConsent::given([Action::Serve], "dialog"))?;
/// use minimodel::{Event, ShareCheck};
///
/// let checks = loop {
///     match share.next().await.expect("it is checked before it ends") {
///         Event::ShareChecked(ShareCheck::Read { checks, .. }) => break checks,
///         Event::ShareChecked(ShareCheck::Unchanged { checked_unix, .. }) => println!("of {checked_unix}"),
///         _ => {}
///     }
/// };
/// assert!(checks > 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ShareCheck {
    /// The file did not change since an earlier full check, and was not read.
    Unchanged {
        /// When it was checked, in seconds since 1970.
        checked_unix: u64,
        /// How it was checked.
        how: How,
    },
    /// No record of an earlier check holds: the file is read in full now.
    Reads {
        /// Why.
        because: Arc<Miss>,
    },
    /// The file was read in full.
    Read {
        /// Number of checks, all of which passed.
        checks: usize,
        /// How it was checked.
        how: How,
        /// Why it was read.
        because: Arc<Miss>,
    },
}

impl Event {
    /// Returns true for what the swarm reports, and the ways beside it, which the next report makes out of date and which peers can
    /// cause in any number.
    pub fn is_report(&self) -> bool {
        matches!(
            self,
            Self::Swarm(_)
                | Self::Way(_)
                | Self::Snapshot(_)
                | Self::OfferRenewed(_)
                | Self::CheckProgress { .. }
                | Self::BanNotRecorded { .. }
        )
    }
}

/// Receiver of events. It is called from the threads that do the work, so it must not block them for long. Reports of the swarm
/// ([`Event::Swarm`], [`Event::Snapshot`], [`Event::OfferRenewed`]) have a thread of their own, and so has [`Event::Way`]; they are
/// dropped if they are not taken in time.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// use std::sync::Mutex;
///
/// use minimodel::{Event, Identity, Watcher};
///
/// #[derive(Default)]
/// struct Log(Mutex<Vec<String>>);
///
/// impl Watcher for Log {
///     fn tell(&self, event: Event) {
///         self.0.lock().unwrap().push(format!("{event:?}"));
///     }
/// }
///
/// let log = Log::default();
/// Identity::load_or_create(&home, &log)?;
/// assert!(log.0.lock().unwrap()[0].starts_with("IdentityCreated"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Watcher: Send + Sync {
    /// Takes an event.
    fn tell(&self, event: Event);

    /// Returns true if telling may take as long as a user likes, for example on a stopped terminal: then the end of a transfer
    /// does not wait for the last reports to be taken.
    fn may_block(&self) -> bool {
        false
    }
}

/// Ignores all events.
impl Watcher for () {
    fn tell(&self, _: Event) {}
}

impl<F: Fn(Event) + Send + Sync> Watcher for F {
    fn tell(&self, event: Event) {
        self(event);
    }
}

impl From<Report> for Event {
    fn from(report: Report) -> Self {
        match report {
            Report::Event(event) => Self::Swarm(event),
            Report::Snapshot(snapshot) => Self::Snapshot(snapshot),
            Report::Offer(offer) => Self::OfferRenewed(offer),
        }
    }
}
