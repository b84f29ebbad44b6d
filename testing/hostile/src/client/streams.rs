//! Tricks with streams themselves.

use anyhow::Result;
use minimodel_wire::Request;
use quinn::VarInt;

use crate::net::{Answer, PATIENCE, Peer};
use crate::seen::{Ended, Seen};

/// Streams that are opened without a whole request: a multiple of what any limit lets pass.
const CHURN: u32 = 20_000;
/// Streams beyond every peer's limit.
const MANY: usize = 5_000;
/// Bytes beyond the flow-control window of a stream.
const BEYOND: usize = 12 << 20;
const CANCELLED: VarInt = VarInt::from_u32(0);

/// Cancels requests before, while and after they are sent, a few times each, and then takes a chunk.
pub(super) async fn reset_at_each_point(mut peer: Peer) -> Result<Seen> {
    peer.become_served().await?;
    let request = Request::Chunk { index: 1 }.encode();
    for _ in 0..4 {
        // Cancelled before a byte of the request.
        let (mut send, _recv) = peer.connection.open_bi().await?;
        send.reset(CANCELLED)?;
        // Cancelled after half of the request.
        let (mut send, _recv) = peer.connection.open_bi().await?;
        send.write_all(&request[..2]).await?;
        send.reset(CANCELLED)?;
        // Cancelled after the whole request, without its end.
        let (mut send, mut recv) = peer.connection.open_bi().await?;
        send.write_all(&request).await?;
        recv.stop(CANCELLED)?;
        send.reset(CANCELLED)?;
        // Cancelled while the answer arrives.
        let (_, mut recv) = peer.ask(&request).await?;
        let mut begin = [0; 5];
        recv.read_exact(&mut begin).await?;
        recv.stop(CANCELLED)?;
    }
    let mut seen = Seen::only(Ended::Open);
    seen.chunks = u32::from(matches!(peer.take(2).await?, Answer::Bytes(_)));
    Ok(seen)
}

pub(super) async fn churn(peer: Peer) -> Result<Seen> {
    for _ in 0..CHURN {
        let Ok((mut send, _recv)) = peer.connection.open_bi().await else { break };
        let _ = send.write_all(&[1]).await;
        let _ = send.reset(CANCELLED);
    }
    Ok(Seen::only(peer.end_within(PATIENCE).await))
}

pub(super) async fn uni(peer: Peer) -> Result<Seen> {
    let mut send = peer.connection.open_uni().await?;
    let _ = send.write_all(b"unasked").await;
    Ok(Seen::only(peer.end_within(PATIENCE).await))
}

pub(super) async fn many(peer: Peer) -> Result<Seen> {
    let mut kept = Vec::new();
    for _ in 0..MANY {
        let Ok((mut send, recv)) = peer.connection.open_bi().await else { break };
        let _ = send.write_all(&[1]).await;
        kept.push((send, recv));
    }
    Ok(Seen::only(peer.end_within(PATIENCE).await))
}

pub(super) async fn past_window(mut peer: Peer) -> Result<Seen> {
    // The seeder never reads this request, so the window is never extended.
    let bytes = vec![1; BEYOND];
    let _ = peer.control.write_all(&[0x00, 0x10, 0x00, 0x00, 0x01, 0x80]).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let Ok((mut send, recv)) = peer.connection.open_bi().await else { break };
        let _ = send.write_all(&bytes).await;
        streams.push((send, recv));
    }
    Ok(Seen::only(peer.end_within(PATIENCE).await))
}
