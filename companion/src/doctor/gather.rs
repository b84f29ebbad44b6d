//! Gathering of the facts from this machine: thin, and no peer is contacted.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use minimodel::consent::LogVerdict;
use minimodel_swarm::os::{FileKind, Owner, free_bytes, open_file_limit, stat_target};
use minimodel_wire::SignedOffer;

use super::facts::{Bound, DiskSpace, Facts, Listen, Offered, PathState, Place, PlaceKind};
use crate::limits::schedule;
use crate::model::{Kind, Limits, Rates, State, Status, Transfer};
use crate::os;

/// Facts that only the companion knows and the doctor cannot find out.
#[derive(Clone, Debug)]
pub struct Around<'a> {
    /// The clock, seconds since 1970.
    pub now_unix: u64,
    /// The newest time in the consent log and in other records that `status` does not show, seconds since 1970.
    pub newest_written_unix: Option<u64>,
    /// The state folder.
    pub state: &'a Path,
    /// The data folder.
    pub data: &'a Path,
    /// The companion's status; `None`: the database that holds it cannot be used.
    pub status: Option<Status>,
    /// Addresses at which transfers listen, or would when they run. Port 0 is skipped.
    pub listens: &'a [ListenAt],
    /// Why the database cannot be used.
    pub database_fault: Option<String>,
    /// Whether the database's last commit was damaged and the one before it was restored:
    /// [`Db::is_repaired`](crate::db::Db::is_repaired).
    pub is_repaired: bool,
    /// Verdict on the consent log's chain, or why it cannot be read: [`verify`](minimodel::consent::verify).
    pub log: Result<LogVerdict, String>,
}

/// An address at which a transfer is expected to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAt {
    /// The transfer.
    pub transfer: u64,
    /// The address.
    pub address: SocketAddr,
    /// True if the run listens elsewhere, since another program had this port, which earlier offers name.
    pub is_lost: bool,
}

/// Gathers the facts.
pub fn gather(around: Around<'_>) -> Facts {
    let Around {
        now_unix, newest_written_unix, state, data, listens, database_fault, is_repaired, log, ..
    } = around;
    let database_fault = match (&around.status, database_fault) {
        (None, None) => Some("it could not be read".to_owned()),
        (_, fault) => fault,
    };
    let status = around.status.unwrap_or_else(nothing);
    let (zone, is_zone_known) = schedule::zone();
    Facts {
        now_unix,
        newest_written_unix: newest_written_unix.max(newest(&status)),
        is_zone_known,
        next_change_unix: schedule::next_change_unix(&status.limits, now_unix, &zone),
        places: places(state, data),
        disks: disks(&data.join("library"), &status.transfers),
        no_ipv4: bind((Ipv4Addr::UNSPECIFIED, 0).into()).err().map(|error| error.to_string()),
        no_ipv6: bind((Ipv6Addr::UNSPECIFIED, 0).into()).err().map(|error| error.to_string()),
        listens: listens
            .iter()
            .filter(|listen| listen.address.port() != 0)
            .map(|listen| look_at(listen, &status))
            .collect(),
        offered: status.transfers.iter().filter_map(offered).collect(),
        socket_buffers: os::socket_buffers(),
        open_files: open_file_limit(),
        database_fault,
        is_repaired,
        log,
        status,
    }
}

/// Returns the status without a database: no limits and no transfers.
fn nothing() -> Status {
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        label: None,
        pid: 0,
        started_utc: String::new(),
        peer: None,
        limits: Limits::default(),
        now: Rates::default(),
        transfers: Vec::new(),
    }
}

/// Returns the newest time in the status: when a transfer was added or the companion started.
fn newest(status: &Status) -> Option<u64> {
    let created = status.transfers.iter().map(|transfer| &transfer.created_utc);
    let times = created.chain([&status.started_utc]).filter_map(|text| text.parse::<Timestamp>().ok());
    times.max().and_then(|newest| u64::try_from(newest.as_second()).ok())
}

fn places(state: &Path, data: &Path) -> Vec<Place> {
    let companion = state.join("companion");
    let all = [
        ("state folder", state.to_owned(), PlaceKind::Folder),
        ("data folder", data.to_owned(), PlaceKind::Folder),
        ("companion's folder", companion.clone(), PlaceKind::Folder),
        ("library's folder", data.join("library"), PlaceKind::Folder),
        (super::machine::IDENTITY, data.join("identity.key"), PlaceKind::Secret),
        ("token", companion.join("token"), PlaceKind::Secret),
        ("database", companion.join("companion.redb"), PlaceKind::Record),
        ("consent log", state.join("consent.log"), PlaceKind::Record),
    ];
    all.map(|(name, path, kind)| Place { name, kind, found: look(&path, kind), path }).into()
}

fn look(path: &Path, kind: PlaceKind) -> PathState {
    let stat = match stat_target(path) {
        Ok(stat) => stat,
        // A dangling link is not missing: it is in the way.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            return PathState::Missing;
        }
        Err(error) => return PathState::Unknown(error.to_string()),
    };
    let is_folder = kind == PlaceKind::Folder;
    PathState::There {
        is_kind: stat.kind == if is_folder { FileKind::Folder } else { FileKind::File },
        is_ours: stat.owner == Owner::User,
        mode: stat.rights.mode() & 0o777,
        is_usable: os::may_use(path, is_folder),
    }
}

/// Returns the library's disk, then those of fetches that write elsewhere.
fn disks(library: &Path, transfers: &[Transfer]) -> Vec<DiskSpace> {
    let mut disks: BTreeMap<u64, DiskSpace> = BTreeMap::new();
    let mut order = Vec::new();
    let mut enter = |folder: &Path, fetch: Option<(u64, u64)>| {
        let Some((folder, device)) = nearest(folder) else { return };
        let Ok(free_bytes) = free_bytes(&folder) else { return };
        let disk = disks.entry(device).or_insert_with(|| {
            order.push(device);
            DiskSpace { folder, free_bytes, needed_bytes: 0, fetches: Vec::new() }
        });
        if let Some((id, needed)) = fetch {
            disk.needed_bytes = disk.needed_bytes.saturating_add(needed);
            disk.fetches.push(id);
        }
    };
    enter(library, None);
    for transfer in transfers.iter().filter(|transfer| transfer.kind == Kind::Fetch) {
        let is_over = matches!(transfer.state, State::Done | State::Failed);
        if let (false, Some(folder)) = (is_over, Path::new(&transfer.path).parent()) {
            let needed = transfer.total_bytes.saturating_sub(transfer.have_bytes);
            enter(folder, Some((transfer.id, needed)));
        }
    }
    order.into_iter().filter_map(|device| disks.remove(&device)).collect()
}

/// Returns the folder, or its nearest existing parent, and its device.
fn nearest(folder: &Path) -> Option<(PathBuf, u64)> {
    let found = |folder: &Path| stat_target(folder).ok().map(|found| (folder.to_owned(), found.id.device));
    folder.ancestors().find_map(found)
}

fn bind(address: SocketAddr) -> io::Result<()> {
    UdpSocket::bind(address).map(drop)
}

fn look_at(listen: &ListenAt, status: &Status) -> Listen {
    let ListenAt { transfer, address, is_lost } = *listen;
    let runs = |found: &Transfer| found.id == transfer && found.state == State::Running;
    let bound = match bind(address) {
        Ok(()) => Bound::Free,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Bound::Taken,
        Err(error) => Bound::Refused(error.to_string()),
    };
    let is_running = !is_lost && status.pid != 0 && status.transfers.iter().any(runs);
    Listen { transfer, address, is_running, bound }
}

fn offered(transfer: &Transfer) -> Option<Offered> {
    let signed: SignedOffer = transfer.offer.as_ref()?.parse().ok()?;
    let offer = signed.offer();
    Some(Offered {
        transfer: transfer.id,
        addresses: offer.addresses.clone(),
        expires_unix: offer.expires_unix,
    })
}
