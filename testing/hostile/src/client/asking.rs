//! Tricks with requests.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use minimodel_wire::{Consent, Frame, Offer, Request, SignedOffer, limits};
use quinn::VarInt;

use crate::model::Model;
use crate::net::{Answer, PATIENCE, Peer, SOON, in_an_hour, read_answer};
use crate::seen::{Ended, Seen};
use crate::server::frames::question;
use crate::tls::Identity;
use crate::trick::Trick;

/// Requests in a flood.
const AGAIN: u32 = 10_000;
/// Delay between a request and the frame that permits it: long enough to be late on any path.
const LATE: Duration = Duration::from_millis(300);

impl Seen {
    fn count(&mut self, answer: &Answer) {
        match answer {
            Answer::Bytes(_) => self.chunks += 1,
            Answer::Reset(code) => self.resets.push(*code),
            Answer::Lost => {}
        }
    }
}

/// Sends requests before the frame that permits them, sends that frame late, and counts the answers: streams have no order.
pub(super) async fn before_hello(trick: Trick, mut peer: Peer, model: &Model) -> Result<Seen> {
    // The target sees the control stream only once it carries data; this frame opens it and is skipped.
    peer.control.write_all(&Frame::Ignored { kind: 0x8000 }.encode()).await?;
    let (_, mut manifest) = peer.ask(&Request::Manifest.encode()).await?;
    let (_, mut chunk) = peer.ask(&Request::Chunk { index: 0 }.encode()).await?;
    tokio::time::sleep(LATE).await;
    if trick == Trick::EarlyQuestion {
        peer.send(&question(trick, model)).await?;
    } else {
        peer.introduce(model, Consent::FETCH).await?;
    }
    let mut seen = Seen::only(Ended::Open);
    seen.count(&read_answer(&mut manifest).await);
    seen.count(&read_answer(&mut chunk).await);
    Ok(seen)
}

/// Sends requests beyond what its `ManifestOnly` permits.
pub(super) async fn beyond_the_question(trick: Trick, mut peer: Peer, model: &Model) -> Result<Seen> {
    peer.send(&question(trick, model)).await?;
    let mut seen = Seen::only(Ended::Open);
    for request in [Request::Chunk { index: 0 }, Request::Leaves { first: 0, count: 1 }, Request::Manifest] {
        let (_, mut answer) = peer.ask(&request.encode()).await?;
        seen.count(&read_answer(&mut answer).await);
    }
    Ok(seen)
}

/// Requests a chunk and leaf hashes that the partial peer does not have, then a chunk that it has.
pub(super) async fn beyond_what_it_has(mut peer: Peer, model: &Model) -> Result<Seen> {
    peer.send(&Frame::Hello(model.hello(Consent::FETCH))).await?;
    let Some(Frame::Bitfield(have)) = peer.hear(|frame| matches!(frame, Frame::Bitfield(_))).await else {
        anyhow::bail!("no bitfield came");
    };
    let lacks = (0..model.count).find(|&index| !have.get(index)).context("it has all")?;
    let has = have.iter_ones().next().context("it has nothing")?;
    peer.send(&Frame::Bitfield(model.none())).await?;
    peer.become_served().await?;
    let mut seen = Seen::only(Ended::Open);
    let leaves = Request::Leaves { first: 0, count: 1 };
    for request in [Request::Chunk { index: lacks }, leaves, Request::Chunk { index: has }] {
        let (_, mut answer) = peer.ask(&request.encode()).await?;
        seen.count(&read_answer(&mut answer).await);
    }
    let closed = peer.connection.close_reason();
    seen.ended = closed.map_or(Ended::Open, |error| Ended::of(&error));
    Ok(seen)
}

/// Repeats one small request until the target closes the connection.
pub(super) async fn again_and_again(request: Request, peer: Peer) -> Result<Seen> {
    let mut seen = Seen::only(Ended::Open);
    for _ in 0..AGAIN {
        let Ok((_, mut recv)) = peer.ask(&request.encode()).await else { break };
        seen.count(&read_answer(&mut recv).await);
        if peer.connection.close_reason().is_some() {
            break;
        }
    }
    seen.ended = peer.end_within(SOON).await;
    Ok(seen)
}

/// Keeps every rule until the target says `Bye`, even before the first unchoke, and records its code.
pub(super) async fn until_the_end(trick: Trick, mut peer: Peer, model: &Model) -> Result<Seen> {
    peer.send(&Frame::Interested).await?;
    let turn = peer.hear(|frame| matches!(frame, Frame::Unchoke | Frame::Bye { .. })).await;
    let mut bye = turn.context("it was never our turn")?;
    let mut seen = Seen::only(Ended::Open);
    let mut index = 0;
    while bye == Frame::Unchoke && peer.connection.close_reason().is_none() {
        if trick == Trick::StaysOn || index == 0 {
            let Ok(answer) = peer.take(index % model.count).await else { break };
            seen.count(&answer);
            index += 1;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if bye == Frame::Unchoke {
        let heard = peer.hear(|frame| matches!(frame, Frame::Bye { .. })).await;
        bye = heard.context("it said no goodbye")?;
    }
    seen.bye = if let Frame::Bye { code } = bye { Some(code.into()) } else { None };
    seen.ended = peer.end_within(SOON).await;
    Ok(seen)
}

/// Sends frames that the target must skip, then requests two chunks that it must serve.
pub(super) async fn after_noise(trick: Trick, mut peer: Peer, model: &Model) -> Result<Seen> {
    let body = vec![0xa5; limits::MAX_IGNORED_LEN as usize];
    let mut frame = limits::MAX_IGNORED_LEN.to_le_bytes().to_vec();
    frame.extend_from_slice(&0x8123u16.to_le_bytes());
    frame.extend_from_slice(&body);
    if trick != Trick::Fragments {
        for _ in 0..20 {
            peer.control.write_all(&frame).await?;
        }
    } else {
        for byte in frame.chunks(1).take(1_000) {
            peer.control.write_all(byte).await?;
            // Lets each byte out before the next one.
            tokio::task::yield_now().await;
        }
        peer.control.write_all(&frame[1_000..]).await?;
    }
    if trick == Trick::IgnorableFirst {
        peer.introduce(model, Consent::FETCH).await?;
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
        Trick::ShortRequest => vec![1, 0, 0],
        Trick::LeavesOfNothing => vec![2, 0, 0, 0, 0, 0, 0, 0, 0],
        Trick::IndexOverflow => Request::Chunk { index: u32::MAX }.encode(),
        _ => Request::Leaves { first: u32::MAX - 1, count: limits::MAX_LEAVES }.encode(),
    };
    let mut seen = Seen::only(Ended::Open);
    let (mut send, mut recv) = peer.connection.open_bi().await?;
    // The target need not read all of it.
    let _ = send.write_all(&request).await;
    let _ = send.finish();
    seen.count(&read_answer(&mut recv).await);
    seen.ended = peer.end_within(PATIENCE).await;
    Ok(seen)
}

/// Requests chunks while choked.
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

/// Sends a `Peers` frame with an invalid offer of this peer, or with one for another swarm.
pub(super) async fn with_offer(
    trick: Trick,
    mut peer: Peer,
    model: &Model,
    identity: &Identity,
) -> Result<Seen> {
    let mut swarm_id = *model.manifest.swarm_id();
    if trick == Trick::ForeignOffer {
        swarm_id[0] ^= 1;
    }
    let addresses = vec![SocketAddr::from(([127, 0, 0, 1], 9))];
    let offer = Offer { peer: identity.id(), swarm_id, addresses, expires_unix: in_an_hour() };
    let mut bytes = SignedOffer::sign(offer, identity.key())?.to_bytes();
    match trick {
        Trick::ForgedOffer => bytes.iter_mut().rev().take(64).for_each(|byte| *byte = 0),
        // The address count says none, but one address follows.
        Trick::NoOffer => bytes[73] = 0,
        _ => {}
    }
    peer.send(&Frame::Peers { offers: vec![Bytes::from(bytes)] }).await?;
    Ok(Seen::only(peer.end_within(PATIENCE).await))
}
