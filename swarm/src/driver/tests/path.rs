//! A path that can be cut.

use std::net::SocketAddr;
use std::sync::Mutex;

use minimodel_wire::Offer;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::live::Live;
use super::*;

/// Most datagrams that are kept in `heard`.
const KEPT: usize = 32;

/// A path between two sockets that may be cut.
pub(super) struct Path {
    address: SocketAddr,
    /// The address from which the target first hears.
    pub(super) first: SocketAddr,
    pub(super) is_cut: Arc<AtomicBool>,
    /// The far end gets another port, as behind a NAT that forgot the old one.
    pub(super) moves: Arc<AtomicBool>,
    /// What was sent to the far end lately, newest last.
    pub(super) heard: Arc<Mutex<Vec<Vec<u8>>>>,
    relaying: JoinHandle<()>,
}

impl Path {
    pub(super) async fn to(target: SocketAddr) -> Self {
        let (near, mut far) =
            (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let (address, first) = (near.local_addr().unwrap(), far.local_addr().unwrap());
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = is_cut.clone();
        let (moves, heard) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let (moving, hearing) = (moves.clone(), heard.clone());
        let relaying = tokio::spawn(async move {
            let (mut there, mut back) = (vec![0; 1 << 16], vec![0; 1 << 16]);
            let mut dialer = None;
            loop {
                if moving.swap(false, Ordering::Relaxed) {
                    far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                }
                let (socket, datagram, to) = tokio::select! {
                    Ok((len, from)) = near.recv_from(&mut there) => {
                        dialer = Some(from);
                        let mut heard = hearing.lock().unwrap();
                        heard.push(there[..len].to_vec());
                        let kept = heard.len().saturating_sub(KEPT);
                        heard.drain(..kept);
                        (&far, &there[..len], Some(target))
                    }
                    Ok((len, _)) = far.recv_from(&mut back) => (&near, &back[..len], dialer),
                };
                if let Some(to) = to.filter(|_| !cut.load(Ordering::Relaxed)) {
                    let _ = socket.send_to(datagram, to).await;
                }
            }
        });
        Self { address, first, is_cut, moves, heard, relaying }
    }

    /// An offer of the seeder that names the address of this path.
    pub(super) fn offer(&self, seeder: &Live) -> SignedOffer {
        let (peer, addresses) = (seeder.node.id(), vec![self.address]);
        let offer = Offer { peer, swarm_id: [1; 32], addresses, expires_unix: 2_000 };
        SignedOffer::sign(offer, &seeder.key).unwrap()
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.relaying.abort();
    }
}
