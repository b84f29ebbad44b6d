//! Tricks of the handshake and of identity.

use std::time::Duration;

use anyhow::{Context as _, Result};
use minimodel_wire::Consent;
use quinn::Connection;
use tokio::time::timeout;

use crate::model::Model;
use crate::net::{self, Guise, PATIENCE, Peer, Target};
use crate::seen::{Ended, Seen};
use crate::session::Tampering;
use crate::tls::{Identity, Shown};
use crate::trick::Trick;

/// What a client shows wrongly; `None` if the trick is not one of the handshake. The stolen key is the target's own, which
/// everyone knows: only the target itself can sign for it.
pub(super) fn guise(trick: Trick, target: &Target) -> Option<Guise> {
    let base = Guise::default();
    Some(match trick {
        Trick::OtherAlpn => Guise { alpn: b"minimodel/2", ..base },
        Trick::NoCertificate => Guise { shown: Shown::Nothing, ..base },
        Trick::OtherScheme => Guise { shown: Shown::P256, ..base },
        Trick::Tls12 => Guise { tampering: Tampering { offers_tls12: true, ..Tampering::default() }, ..base },
        Trick::StolenKey => Guise { shown: Shown::Stolen(target.peer), ..base },
        Trick::WeakKey => Guise { shown: Shown::Weak, ..base },
        Trick::EarlyData | Trick::BorrowedHello => base,
        _ => return None,
    })
}

pub(super) async fn play(
    trick: Trick,
    target: &Target,
    model: &Model,
    identity: &Identity,
    guise: &Guise,
) -> Result<Seen> {
    let endpoint = net::endpoint(guise)?;
    if trick == Trick::EarlyData {
        return early_data(&endpoint, target, identity, guise).await;
    }
    let connection = match net::dial(&endpoint, target, identity, guise).await? {
        Ok(connection) => connection,
        Err(error) => return Ok(Seen::only(Ended::of(&error))),
    };
    // Under TLS 1.3 the client's handshake is done before the server has checked its key.
    let mut seen = Seen::only(Ended::Open);
    if let Ok(mut peer) = Peer::open(connection.clone()).await
        && peer.introduce(model, Consent::FETCH).await.is_ok()
    {
        seen.granted = true;
    }
    let ended = timeout(PATIENCE, connection.closed()).await;
    seen.ended = ended.map_or(Ended::Open, |error| Ended::of(&error));
    Ok(seen)
}

/// Connects, waits for a session ticket, which should not come, and dials again with whatever the library kept.
async fn early_data(
    endpoint: &quinn::Endpoint,
    target: &Target,
    identity: &Identity,
    guise: &Guise,
) -> Result<Seen> {
    let config = net::client_config(identity, guise)?;
    let dial = || endpoint.connect_with(config.clone(), target.address, "minimodel");
    let first: Connection = dial()?.await.context("it did not let us in")?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    first.close(0u32.into(), b"");
    let mut seen = Seen::only(Ended::Open);
    match dial()?.into_0rtt() {
        Ok((_, accepted)) => seen.granted = accepted.await,
        Err(connecting) => {
            let second = connecting.await.context("it did not let us in again")?;
            second.close(0u32.into(), b"");
        }
    }
    Ok(seen)
}
