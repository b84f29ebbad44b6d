//! Facts that the doctor judges.

use std::net::SocketAddr;
use std::path::PathBuf;

use minimodel::consent::LogVerdict;

use crate::model::Status;

/// All gathered facts.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The clock, seconds since 1970.
    pub now_unix: u64,
    /// The newest time that the companion ever recorded, seconds since 1970.
    pub newest_written_unix: Option<u64>,
    /// Whether the system's time zone is known.
    pub is_zone_known: bool,
    /// When the rates next change, seconds since 1970.
    pub next_change_unix: Option<u64>,
    /// The program's folders and its most important files.
    pub places: Vec<Place>,
    /// The disks that the library and running fetches write to.
    pub disks: Vec<DiskSpace>,
    /// Why no IPv4 UDP socket can be opened; `None`: one can.
    pub no_ipv4: Option<String>,
    /// Why no IPv6 UDP socket can be opened; `None`: one can.
    pub no_ipv6: Option<String>,
    /// Addresses at which transfers listen, or would.
    pub listens: Vec<Listen>,
    /// Addresses in the transfers' offers.
    pub offered: Vec<Offered>,
    /// Largest receive and send buffers of a socket, in bytes; `None` if the system does not say.
    pub socket_buffers: Option<(u64, u64)>,
    /// Limit on open files of this process; `None`: no limit.
    pub open_files: Option<u64>,
    /// Why the database cannot be used; `None`: it can.
    pub database_fault: Option<String>,
    /// The database's last commit was damaged, and the one before it was restored.
    pub is_repaired: bool,
    /// Verdict on the consent log's chain, or why it cannot be read. A log that does not exist is valid, with no lines.
    pub log: Result<LogVerdict, String>,
    /// The companion's status; if the database cannot be used, limits and transfers are unknown, and there are none here.
    pub status: Status,
}

/// A folder or file of the program.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name: `state folder`, `identity`.
    pub name: &'static str,
    /// Its path.
    pub path: PathBuf,
    /// What it should be.
    pub kind: PlaceKind,
    /// What is there.
    pub found: PathState,
}

/// What a place should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceKind {
    /// A folder for this user alone (0700).
    Folder,
    /// A file whose readers can act as this user (0600).
    Secret,
    /// A private file (0600).
    Record,
}

/// What exists at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathState {
    /// Nothing.
    Missing,
    /// It cannot be examined.
    Unknown(String),
    /// Something.
    There {
        /// It has the right type: a folder, or an ordinary file.
        is_kind: bool,
        /// It belongs to this user.
        is_ours: bool,
        /// Its permissions, the low nine bits.
        mode: u32,
        /// This process may use it: write to it, and read it if it is a file, or enter it if it is a folder.
        is_usable: bool,
    },
}

/// A disk, and the bytes that fetches will write to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// A folder on it.
    pub folder: PathBuf,
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Bytes that unfinished fetches still need.
    pub needed_bytes: u64,
    /// Numbers of these fetches.
    pub fetches: Vec<u64>,
}

/// An address that a transfer listens at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The transfer.
    pub transfer: u64,
    /// The address.
    pub address: SocketAddr,
    /// The transfer runs, so the port should be taken, by itself.
    pub is_running: bool,
    /// Result of an attempt to bind the port.
    pub bound: Bound,
}

/// Result of an attempt to bind a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// It was free.
    Free,
    /// It is in use.
    Taken,
    /// It cannot be bound at all.
    Refused(String),
}

/// Content of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The transfer.
    pub transfer: u64,
    /// The addresses.
    pub addresses: Vec<SocketAddr>,
    /// When the offer expires, seconds since 1970.
    pub expires_unix: u64,
}
