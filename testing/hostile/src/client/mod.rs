//! Attacks on a seeder.

mod again;
mod asking;
mod handshake;
mod streams;

pub use again::comes_back;

use anyhow::{Context as _, Result};
use minimodel_wire::{Consent, Request, limits};
use tokio::time::timeout;

use crate::model::Model;
use crate::net::{self, Guise, PATIENCE, Peer, Target};
use crate::seen::{Ended, Seen};
use crate::server::frames;
use crate::tls::Identity;
use crate::trick::{Side, Trick};

/// Plays a trick against a seeder, as `identity`, and returns what the attacker saw. Takes up to half a minute if the trick
/// waits for a timeout of the seeder.
///
/// # Errors
///
/// A trick that no client can play, or a seeder that cannot be reached or does not serve as it would an honest peer.
pub async fn attack(trick: Trick, target: &Target, model: &Model, identity: &Identity) -> Result<Seen> {
    anyhow::ensure!(trick.sides().contains(&Side::Client), "{trick} is played by whoever is dialed");
    if let Some(guise) = handshake::guise(trick, target) {
        return handshake::play(trick, target, model, identity, &guise).await;
    }
    let guise = match trick {
        Trick::NeverReads => Guise { window: 4 << 10, ..Guise::default() },
        Trick::UniStream | Trick::ManyStreams | Trick::PastWindow => Guise {
            tampering: crate::session::Tampering { ignores_limits: true, ..Default::default() },
            ..Guise::default()
        },
        Trick::Fragments => Guise { loss: crate::socket::Loss::Gaps, ..Guise::default() },
        _ => Guise::default(),
    };
    let endpoint = net::endpoint(&guise)?;
    if again::is_one(trick) {
        return again::play(trick, &endpoint, target, model, identity).await;
    }
    let connection = net::dial(&endpoint, target, identity, &guise).await?.context("it did not let us in")?;
    let seen = timeout(PATIENCE * 2, play(trick, connection, model, identity)).await;
    let seen = seen.context("the trick did not end")?.with_context(|| format!("{trick} failed"));
    endpoint.close(0u32.into(), b"");
    // Lets the close frame out before the socket is dropped.
    let _ = timeout(net::SOON, endpoint.wait_idle()).await;
    seen
}

async fn play(
    trick: Trick,
    connection: quinn::Connection,
    model: &Model,
    identity: &Identity,
) -> Result<Seen> {
    if trick == Trick::Silent {
        let error = timeout(PATIENCE, connection.closed()).await;
        return Ok(Seen::only(error.map_or(Ended::Open, |error| Ended::of(&error))));
    }
    let mut peer = Peer::open(connection).await?;
    match trick {
        Trick::EarlyRequest | Trick::EarlyQuestion => return asking::before_hello(trick, peer, model).await,
        Trick::QuestionThenChunk => return asking::beyond_the_question(trick, peer, model).await,
        Trick::AsksForMore => return asking::beyond_what_it_has(peer, model).await,
        Trick::IgnorableFirst => return asking::after_noise(trick, peer, model).await,
        _ => {}
    }
    if frames::is_one(trick) {
        // The seeder may close the connection at any byte of this.
        let played = frames::play(trick, &mut peer, model, Consent::FETCH | Consent::PUBLISH).await;
        let ended = peer.end_within(PATIENCE).await;
        return if ended == Ended::Open { played.map(|()| Seen::only(ended)) } else { Ok(Seen::only(ended)) };
    }
    peer.introduce(model, Consent::FETCH | Consent::PUBLISH).await?;
    match trick {
        Trick::IgnorableFrames | Trick::Fragments => asking::after_noise(trick, peer, model).await,
        Trick::UnknownRequest
        | Trick::LongRequest
        | Trick::ShortRequest
        | Trick::LeavesOfNothing
        | Trick::IndexOverflow
        | Trick::RangeOverflow => asking::wrongly(trick, peer).await,
        Trick::ManyManifests => asking::again_and_again(Request::Manifest, peer).await,
        Trick::ManyLeaves => {
            let count = model.count.min(limits::MAX_LEAVES);
            asking::again_and_again(Request::Leaves { first: 0, count }, peer).await
        }
        Trick::Stays | Trick::StaysOn => asking::until_the_end(trick, peer, model).await,
        Trick::AskFlood => asking::while_choked(peer, model).await,
        Trick::SameChunk => asking::the_same(peer).await,
        Trick::NeverReads => asking::without_reading(peer, model).await,
        Trick::ForgedOffer | Trick::ForeignOffer | Trick::NoOffer => {
            asking::with_offer(trick, peer, model, identity).await
        }
        Trick::EndlessRequest => asking::endlessly(peer).await,
        Trick::ResetRequests => streams::reset_at_each_point(peer).await,
        Trick::StreamChurn => streams::churn(peer).await,
        Trick::UniStream => streams::uni(peer).await,
        Trick::ManyStreams => streams::many(peer).await,
        Trick::PastWindow => streams::past_window(peer).await,
        Trick::HostileReason => {
            peer.become_served().await?;
            peer.connection.close(22u32.into(), frames::ESCAPES);
            Ok(Seen::only(Ended::Open))
        }
        other => anyhow::bail!("{other} is not played by a client"),
    }
}
