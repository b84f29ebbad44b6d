use thiserror::Error;

/// Why a call to the DHT had no result.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DhtError {
    /// An announcement names no port.
    #[error("cannot announce UDP port 0 in the DHT; pass the port under which others reach this machine")]
    NoPort,
    /// An offer is longer than an item holds.
    #[error(
        "an offer of {bytes} bytes does not fit an item of the DHT, which holds {max}; sign one with fewer addresses"
    )]
    OfferTooLong {
        /// The length of the offer.
        bytes: usize,
        /// The most that fits.
        max: usize,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system for an item of the DHT: {reason}")]
    NoRandomness {
        /// The reason, in the words of the system.
        reason: String,
    },
    /// Too many calls run at once.
    #[error("{running} calls to the DHT run at once; wait until one ends")]
    Busy {
        /// How many run.
        running: usize,
    },
    /// None of the first nodes has an IPv4 address.
    #[error("none of the first nodes of the DHT has an IPv4 address ({}); check the network and DNS", .nodes.join(", "))]
    NoFirstNode {
        /// The names that were tried.
        nodes: Vec<String>,
    },
    /// The socket or thread of a node could not be made, or the node ended early.
    #[error("cannot run a node of the DHT on UDP port {port}: {reason}; pass port 0 for any free one")]
    Node {
        /// The port that was asked for.
        port: u16,
        /// The reason, in the words of the system.
        reason: String,
    },
    /// No node answered.
    #[error("no node of the DHT answered; the network may block UDP")]
    NoAnswer,
    /// Nodes answered, but none stored what was announced.
    #[error("no node of the DHT stored it: {reason}; try again later")]
    NotStored {
        /// The reason, in the words of the library.
        reason: String,
    },
    /// Who knows the same peer and swarm stored an item of the highest number, so that no newer one is possible.
    #[error("somebody who has this peer's offer closed its place in the DHT; it is not updated any more")]
    PlaceClosed,
    /// The time for one call ran out.
    #[error("the DHT took longer than {seconds} s; try again later")]
    TookTooLong {
        /// The limit.
        seconds: u64,
    },
    /// The caller cancelled.
    #[error("the call to the DHT was cancelled")]
    Cancelled,
}
