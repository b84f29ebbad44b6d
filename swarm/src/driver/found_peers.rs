//! Peers that were found while a session runs, from any thread.

use tokio::sync::mpsc;

use crate::machine::FoundPeer;

/// Peers that may wait; a session that has not taken them is busy with others.
const WAITING_PEERS: usize = 64;

/// Makes the two ends for one session.
pub fn found_peers() -> (FoundPeersSender, FoundPeers) {
    let (sender, receiver) = mpsc::channel(WAITING_PEERS);
    (FoundPeersSender(sender), FoundPeers(receiver))
}

/// The end that tells.
#[derive(Debug, Clone)]
pub struct FoundPeersSender(mpsc::Sender<FoundPeer>);

impl FoundPeersSender {
    /// Tells the session of a peer. It is dropped if too many wait, or no session runs.
    pub fn tell(&self, peer: FoundPeer) {
        let _ = self.0.try_send(peer);
    }

    /// Resolves once the session has ended.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

/// The end of the session.
#[derive(Debug)]
pub struct FoundPeers(mpsc::Receiver<FoundPeer>);

impl FoundPeers {
    /// Receives the next peer; waits for ever once no program can tell of one.
    pub(super) async fn next(&mut self) -> FoundPeer {
        match self.0.recv().await {
            Some(peer) => peer,
            None => std::future::pending().await,
        }
    }
}
