//! What the doctor judges.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::api::types::{LogVerdict, Status};

/// Everything that was found.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The clock.
    pub now_unix: u64,
    /// The newest time that the companion ever wrote down.
    pub newest_written_unix: Option<u64>,
    /// Whether the system says which zone it is in.
    pub is_zone_known: bool,
    /// When other rates begin to hold.
    pub next_change_unix: Option<u64>,
    /// Our folders and those of our files that matter most.
    pub places: Vec<Place>,
    /// The disks that the library and running fetches write to.
    pub disks: Vec<Disk>,
    /// Why no UDP socket can be had of IPv4; none: one can.
    pub no_ipv4: Option<String>,
    /// The same of IPv6.
    pub no_ipv6: Option<String>,
    /// Where transfers listen, or would.
    pub listens: Vec<Listen>,
    /// What offers name.
    pub offered: Vec<Offered>,
    /// The most that a socket may have buffered, bytes received and sent; none where the system does not say.
    pub socket_buffers: Option<(u64, u64)>,
    /// Files that this process may have open; none: no limit.
    pub open_files: Option<u64>,
    /// Why the database cannot be used; none: it can.
    pub database_fault: Option<String>,
    /// The database was damaged, and the state before its last change was gone back to.
    pub is_repaired: bool,
    /// Whether the consent log's chain holds, or why it cannot be read. A log that is not there holds, with no lines.
    pub log: Result<LogVerdict, String>,
    /// How everything stands; where the database cannot be used, nothing is known of limits and transfers, and there are none
    /// here.
    pub status: Status,
}

/// A folder or file of ours.
#[derive(Clone, Debug)]
pub struct Place {
    /// What it is: `state folder`, `identity`.
    pub name: &'static str,
    /// Where.
    pub path: PathBuf,
    /// What it should be.
    pub kind: PlaceKind,
    /// What is there.
    pub found: Found,
}

/// What a place should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceKind {
    /// A folder of this user's alone (0700).
    Folder,
    /// A file that lets whoever reads it act as this user (0600).
    Secret,
    /// A file that is nobody else's business (0600).
    Record,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Missing,
    /// It cannot be told.
    Unknown(String),
    /// Something.
    There {
        /// It is what it should be: a folder, or an ordinary file.
        is_kind: bool,
        /// It is this user's.
        is_ours: bool,
        /// Its permissions, the last nine bits.
        mode: u32,
        /// This process may use it: write to it, and enter it if it is a folder.
        is_usable: bool,
    },
}

/// A disk, and what will be written to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// A folder on it.
    pub folder: PathBuf,
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Bytes that fetches which are not over still need.
    pub needed_bytes: u64,
    /// Which fetches.
    pub fetches: Vec<u64>,
}

/// An address that a transfer listens at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The transfer.
    pub transfer: u64,
    /// The address.
    pub address: SocketAddr,
    /// It runs, so its port should be taken, by itself.
    pub is_running: bool,
    /// What an attempt to take the port came to.
    pub bound: Bound,
}

/// Whether a port was there to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// It was free.
    Free,
    /// Somebody has it.
    Taken,
    /// It cannot be had at all.
    Refused(String),
}

/// What an offer names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The transfer.
    pub transfer: u64,
    /// The addresses.
    pub addresses: Vec<SocketAddr>,
    /// When the offer ends.
    pub expires_unix: u64,
}
