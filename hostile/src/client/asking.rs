//! Tricks with requests.

use anyhow::Result;
use bytes::Bytes;
use minimodel_wire::{Frame, PeerId, Request, limits};
use quinn::VarInt;

use crate::model::Model;
use crate::net::{Answer, PATIENCE, Peer, SOON, in_an_hour, read_answer};
use crate::seen::{Ended, Seen};
use crate::trick::Trick;

/// How often the same is asked.
const AGAIN: u32 = 10_000;

impl Seen {
    fn count(&mut self, answer: &Answer) {
        match answer {
            Answer::Bytes(_) => self.chunks += 1,
            Answer::Reset(code) => self.resets.push(*code),
            Answer::Lost => {}
        }
    }
}

pub(super) async fn before_hello(peer: Peer) -> Result<Seen> {
    // The stream that carries nothing yet is not there for the other side; a head without its body is.
    let Peer { mut control, .. } = peer;
    control.write_all(&[0]).await?;
    let mut seen = Seen::only(Ended::Open);
    let (mut send, mut recv) = peer.connection.open_bi().await?;
    send.write_all(&Request::Chunk { index: 0 }.encode()).await?;
    send.finish()?;
    seen.count(&read_answer(&mut recv).await);
    seen.ended = end_of(&peer.connection).await;
    Ok(seen)
}

async fn end_of(connection: &quinn::Connection) -> Ended {
    let error = tokio::time::timeout(PATIENCE, connection.closed()).await;
    error.map_or(Ended::Open, |error| Ended::of(&error))
}

/// Noise that must be borne, and then a chunk that must be given.
pub(super) async fn after_noise(trick: Trick, mut peer: Peer) -> Result<Seen> {
    let body = vec![0xa5; limits::MAX_IGNORED_LEN as usize];
    let mut frame = limits::MAX_IGNORED_LEN.to_le_bytes().to_vec();
    frame.extend_from_slice(&0x8123u16.to_le_bytes());
    frame.extend_from_slice(&body);
    if trick == Trick::IgnorableFrames {
        for _ in 0..20 {
            peer.control.write_all(&frame).await?;
        }
    } else {
        for byte in frame.chunks(1).take(1_000) {
            peer.control.write_all(byte).await?;
            // Each is sent before the next one comes.
            tokio::task::yield_now().await;
        }
        peer.control.write_all(&frame[1_000..]).await?;
    }
    peer.become_served().await?;
    let mut seen = Seen::only(Ended::Open);
    for index in 0..2 {
        seen.count(&peer.take(index).await?);
    }
    Ok(seen)
}

pub(super) async fn wrongly(trick: Trick, mut peer: Peer) -> Result<Seen> {
    peer.become_served().await?;
    let request = match trick {
        Trick::UnknownRequest => vec![0x77, 1, 2, 3, 4],
        Trick::LongRequest => vec![1; 1 << 20],
        Trick::IndexOverflow => Request::Chunk { index: u32::MAX }.encode(),
        _ => Request::Leaves { first: u32::MAX - 1, count: limits::MAX_LEAVES }.encode(),
    };
    let mut seen = Seen::only(Ended::Open);
    let (mut send, mut recv) = peer.connection.open_bi().await?;
    // The other side need not take all of it.
    let _ = send.write_all(&request).await;
    let _ = send.finish();
    seen.count(&read_answer(&mut recv).await);
    seen.ended = peer.end_within(PATIENCE).await;
    Ok(seen)
}

/// Asks without having been told that it may.
pub(super) async fn while_choked(peer: Peer, model: &Model) -> Result<Seen> {
    let mut seen = Seen::only(Ended::Open);
    for n in 0..AGAIN {
        let Ok(answer) = peer.take(n % model.count).await else { break };
        seen.count(&answer);
    }
    seen.ended = peer.end_within(SOON).await;
    Ok(seen)
}

pub(super) async fn the_same(mut peer: Peer) -> Result<Seen> {
    peer.become_served().await?;
    let mut seen = Seen::only(Ended::Open);
    for _ in 0..AGAIN {
        let Ok(answer) = peer.take(0).await else { break };
        seen.count(&answer);
    }
    seen.ended = peer.end_within(SOON).await;
    Ok(seen)
}

pub(super) async fn without_reading(mut peer: Peer, model: &Model) -> Result<Seen> {
    peer.become_served().await?;
    let mut kept = Vec::new();
    for index in 0..model.count.min(200) {
        kept.push(peer.ask(&Request::Chunk { index }.encode()).await?);
    }
    Ok(Seen::only(peer.end_within(PATIENCE).await))
}

pub(super) async fn endlessly(peer: Peer) -> Result<Seen> {
    let (mut send, _recv) = peer.connection.open_bi().await?;
    send.write_all(&[1, 0]).await?;
    let ended = peer.end_within(PATIENCE).await;
    let _ = send.reset(VarInt::from_u32(0));
    Ok(Seen::only(ended))
}

/// Our own offer, good but for its signature of zeros.
pub(super) async fn with_forged_offer(mut peer: Peer, model: &Model, me: PeerId) -> Result<Seen> {
    let mut offer = vec![1];
    offer.extend_from_slice(&me.0);
    offer.extend_from_slice(model.manifest.swarm_id());
    offer.extend_from_slice(&in_an_hour().to_le_bytes());
    offer.extend_from_slice(&[1, 4, 127, 0, 0, 1, 9, 9]);
    offer.extend_from_slice(&[0; 64]);
    peer.send(&Frame::Peers { offers: vec![Bytes::from(offer)] }).await?;
    Ok(Seen::only(peer.end_within(PATIENCE).await))
}
