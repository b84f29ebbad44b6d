//! A fake router: one UDP port that answers as a function says, and keeps what it was asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;

use super::PATIENCE;

/// A UDP port at 127.0.0.1 that answers.
pub(super) struct Fake {
    pub(super) at: SocketAddr,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Fake {
    /// Answers each datagram with those that the function returns.
    pub(super) async fn start(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        Self::start_with(false, answer).await
    }

    /// Answers from another port than it is asked at.
    pub(super) async fn start_elsewhere(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        Self::start_with(true, answer).await
    }

    async fn start_with(is_elsewhere: bool, answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        let socket = bind().await.expect("a port");
        let elsewhere = bind().await.expect("a port");
        let at = socket.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut buffer = [0; 2_048];
            loop {
                // An error is an ICMP answer to an answer: who asked is gone.
                let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(buffer[..length].to_vec());
                for bytes in answer(&buffer[..length]) {
                    let through = if is_elsewhere { &elsewhere } else { &socket };
                    let _gone = through.send_to(&bytes, from).await;
                }
            }
        });
        Self { at, asked }
    }

    /// Never answers.
    pub(super) async fn silent() -> Self {
        Self::start(|_| Vec::new()).await
    }

    /// Everything that it was asked so far.
    pub(super) fn asked(&self) -> Vec<Vec<u8>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it was asked such a thing so many times.
    pub(super) async fn until_asked(&self, times: usize, wanted: impl Fn(&[u8]) -> bool) {
        let asked = async {
            while self.asked().iter().filter(|bytes| wanted(bytes)).count() < times {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("the router is asked in time");
    }
}
