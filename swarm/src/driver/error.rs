//! Errors that stop the driver; each names whose fault it is.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use minimodel_verifier::ManifestError;
use minimodel_wire::{CloseCode, OfferError, PeerId};

use crate::store::StoreError;

/// Why a node could not start, or a run ended without what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The listening address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The TLS library refused this node's own key or settings.
    #[error("cannot set up TLS: {0}")]
    Tls(Box<dyn Error + Send + Sync>),
    /// The TLS library lacks the cipher that QUIC's first packets need.
    #[error("the TLS library has no cipher for QUIC's first packets")]
    NoInitialCipher,
    /// This node's own offer cannot be made.
    #[error("cannot make an offer: {0}")]
    Offer(#[from] OfferError),
    /// The partial file failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// More chunks than the protocol can name.
    #[error("{count} chunks, the protocol knows at most {max}")]
    TooManyChunks {
        /// Chunks in the manifest.
        count: u64,
        /// The protocol's limit.
        max: u32,
    },
    /// Another session of this node serves the same swarm, and takes its incoming connections.
    #[error("this node already serves the swarm {}", minimodel_verifier::digest::hex(.swarm_id))]
    SwarmTaken {
        /// The swarm id.
        swarm_id: [u8; 32],
    },
    /// The peer of an offer could not be reached.
    #[error("peer {peer} cannot be reached at {}", shown(.addresses))]
    Unreachable {
        /// The peer.
        peer: PeerId,
        /// The addresses that were tried.
        addresses: Vec<SocketAddr>,
    },
    /// Another key answered at the peer's address.
    #[error("peer {found} answered where {expected} was expected")]
    WrongKey {
        /// The expected peer.
        expected: PeerId,
        /// The peer that answered.
        found: PeerId,
    },
    /// The peer refused with a close code.
    #[error("peer {peer} refused: {code}")]
    Refused {
        /// The peer.
        peer: PeerId,
        /// The close code.
        code: CloseCode,
    },
    /// The peer's answer is not the manifest that the offer names.
    #[error("peer {peer} sent a manifest that is not the one its offer names")]
    WrongManifest {
        /// The peer.
        peer: PeerId,
    },
    /// The peer's answer is no valid manifest: its text or its signature does not hold.
    #[error("peer {peer} sent a manifest that does not hold: {fault}")]
    InvalidManifest {
        /// The peer.
        peer: PeerId,
        /// What is wrong with it.
        fault: Box<ManifestError>,
    },
    /// The peer did not answer the question for the manifest.
    #[error("peer {peer} did not send its manifest")]
    NoManifest {
        /// The peer.
        peer: PeerId,
    },
    /// The whole-file check could not read the file.
    #[error("cannot read `{}` back: {}", .path.display(), read_back(.source))]
    ReadBack {
        /// The partial file.
        path: PathBuf,
        /// The error of the system; `UnexpectedEof` if the file is shorter than it was.
        source: io::Error,
    },
    /// The operating system could not start a thread for hashing or writing.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// A worker thread is gone; a bug.
    #[error("a worker ended unexpectedly while {doing}")]
    WorkerLost {
        /// What it was doing.
        doing: &'static str,
    },
}

fn shown(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Why a file could not be read back. Every byte that is read was written before.
fn read_back(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it is shorter than it was: another program cut it".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: E4
    #[test]
    fn a_file_that_was_cut_under_its_check_is_named() {
        let path = PathBuf::from("out/model.slm.part");
        let error = |source| DriverError::ReadBack { path: path.clone(), source }.to_string();
        let cut = error(io::ErrorKind::UnexpectedEof.into());
        assert_eq!(
            cut,
            "cannot read `out/model.slm.part` back: it is shorter than it was: another program cut it"
        );
        assert!(error(io::Error::other("bad sector")).ends_with("bad sector"));
    }
}
