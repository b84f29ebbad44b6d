//! Tricks with more than one connection of the same key.

use anyhow::{Context as _, Result};
use minimodel_wire::{Consent, Frame, Request};
use quinn::Endpoint;

use crate::model::Model;
use crate::net::{self, Answer, Guise, Peer, SOON, Target, read_answer};
use crate::seen::{Ended, Seen};
use crate::server::frames::question;
use crate::tls::Identity;
use crate::trick::Trick;

/// Whether the trick takes several connections, or tests whether a banned key is let in.
pub(super) fn is_one(trick: Trick) -> bool {
    matches!(trick, Trick::ComesBack | Trick::Banned | Trick::Twice | Trick::Beside)
}

/// Dials as `identity`, says hello and waits to be let in. Returns how the connection ended: `Open` for an honest peer.
///
/// # Errors
///
/// No socket.
pub async fn comes_back(target: &Target, model: &Model, identity: &Identity) -> Result<Ended> {
    let endpoint = net::endpoint(&Guise::default())?;
    let ended = knock(&endpoint, target, model, identity).await;
    endpoint.close(0u32.into(), b"");
    // Lets the close frame out before the socket is dropped.
    let _ = tokio::time::timeout(SOON, endpoint.wait_idle()).await;
    ended
}

async fn knock(endpoint: &Endpoint, target: &Target, model: &Model, identity: &Identity) -> Result<Ended> {
    let connection = match net::dial(endpoint, target, identity, &Guise::default()).await? {
        Ok(connection) => connection,
        Err(error) => return Ok(Ended::of(&error)),
    };
    let mut peer = Peer::open(connection.clone()).await.ok();
    let is_in = match &mut peer {
        Some(peer) => peer.introduce(model, Consent::FETCH).await.is_ok(),
        None => false,
    };
    // Read before the control stream is dropped.
    let ended = connection.close_reason().map(|error| Ended::of(&error));
    Ok(ended.unwrap_or(if is_in { Ended::Open } else { Ended::TimedOut }))
}

pub(super) async fn play(
    trick: Trick,
    endpoint: &Endpoint,
    target: &Target,
    model: &Model,
    identity: &Identity,
) -> Result<Seen> {
    if trick == Trick::Banned {
        return Ok(Seen::only(knock(endpoint, target, model, identity).await?));
    }
    let dial = async || -> Result<Peer> {
        let connection = net::dial(endpoint, target, identity, &Guise::default()).await?;
        Peer::open(connection.context("it did not let us in")?).await
    };
    let mut first = dial().await?;
    first.introduce(model, Consent::FETCH).await?;
    let mut seen = Seen::only(Ended::Open);
    match trick {
        Trick::ComesBack => {
            first.send(&Frame::Hello(model.hello(Consent::FETCH))).await?;
            first.end_within(net::PATIENCE).await;
            seen.ended = knock(endpoint, target, model, identity).await?;
        }
        Trick::Twice => {
            let mut second = dial().await?;
            second.introduce(model, Consent::FETCH).await?;
            seen.ended = first.end_within(net::PATIENCE).await;
            second.become_served().await?;
            seen.chunks = u32::from(matches!(second.take(0).await?, Answer::Bytes(_)));
        }
        _ => {
            first.become_served().await?;
            let mut second = dial().await?;
            second.send(&question(trick, model)).await?;
            let (_, mut manifest) = second.ask(&Request::Manifest.encode()).await?;
            for answer in [read_answer(&mut manifest).await, first.take(0).await?] {
                seen.chunks += u32::from(matches!(answer, Answer::Bytes(_)));
            }
            let closed = first.connection.close_reason().or(second.connection.close_reason());
            seen.ended = closed.map_or(Ended::Open, |error| Ended::of(&error));
        }
    }
    Ok(seen)
}
