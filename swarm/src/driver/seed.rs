//! Serves a complete file until the user stops.

use std::sync::Arc;

use bytes::Bytes;
use minimodel_verifier::Manifest;
use minimodel_wire::{Bitfield, CloseCode, Consent, SignedOffer};
use tokio::sync::watch;

use super::error::DriverError;
use super::messages::SessionEvent;
use super::node::Node;
use super::outside::Outside;
use super::session::{Session, SessionInputs};
use super::settings::SessionSettings;
use crate::machine::{Config, EarlierPeer, Input, Limits, Order, Terms};
use crate::store::ChunkSource;

/// Settings of a share.
#[derive(Debug)]
pub struct SeedSettings {
    /// The manifest of the file.
    pub manifest: Arc<Manifest>,
    /// Whether the user agreed that the offer is passed on.
    pub publish: bool,
    /// Other members, to be kept in touch with if the user agreed to publish: they introduce those who cannot dial this node.
    pub members: Vec<SignedOffer>,
    /// Peers of earlier runs, for the same; those that the user had not named are believed no more than then.
    pub earlier: Vec<EarlierPeer>,
    /// What it has in common with a fetch.
    pub session: SessionSettings,
}

/// What was served until the user stopped it or the file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// Payload bytes sent, before and after pauses.
    pub sent_bytes: u64,
    /// True if serving ended because the file is no longer the artifact; otherwise it was cancelled.
    pub is_changed: bool,
}

/// Close code sent to the peers of a share that ends.
pub(super) fn close_code(is_changed: bool) -> CloseCode {
    if is_changed { CloseCode::SourceChanged } else { CloseCode::ShuttingDown }
}

/// Terms that both sides must agree on, from the manifest.
pub(super) fn terms(manifest: &Manifest) -> Result<Terms, DriverError> {
    let max = minimodel_wire::limits::MAX_CHUNK_COUNT;
    let count = manifest.chunk_count();
    let chunk_count = u32::try_from(count).ok().filter(|&count| count <= max);
    let chunk_size = u32::try_from(manifest.chunk_size()).ok();
    let (Some(chunk_count), Some(chunk_size)) = (chunk_count, chunk_size) else {
        return Err(DriverError::TooManyChunks { count, max });
    };
    Ok(Terms {
        swarm_id: *manifest.swarm_id(),
        artifact_sha256: *manifest.artifact_sha256(),
        license_sha256: manifest.license_digest(),
        evidence_sha256: manifest.evidence_digest(),
        byte_count: manifest.byte_count(),
        chunk_size,
        chunk_count,
    })
}

/// Resolves when the user wants to stop; never once the sender is gone.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|&stop| stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A share under way: peers may connect, and are answered while it [runs](Self::run).
pub struct Seeding(Session);

impl Seeding {
    /// Serves until `stop` becomes true or the file changes.
    pub async fn run(mut self, stop: &mut watch::Receiver<bool>) -> Served {
        let is_changed = serve_until_stopped(&mut self.0, stop).await;
        let drained = self.0.stop(close_code(is_changed)).await;
        let sent_bytes = self.0.traffic().sent;
        drained.await;
        Served { sent_bytes, is_changed }
    }
}

impl Node {
    /// Serves `source` until `stop` becomes true or the file changes.
    ///
    /// # Errors
    ///
    /// As [`Self::start_seeding`].
    pub async fn seed(
        &self,
        settings: SeedSettings,
        source: Arc<dyn ChunkSource>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Served, DriverError> {
        Ok(self.start_seeding(settings, source)?.run(stop).await)
    }

    /// Begins to serve `source`. Must be called within the runtime.
    ///
    /// # Errors
    ///
    /// A manifest with more chunks than the protocol knows, or a session of this node in the same swarm.
    pub fn start_seeding(
        &self,
        settings: SeedSettings,
        source: Arc<dyn ChunkSource>,
    ) -> Result<Seeding, DriverError> {
        let SeedSettings { manifest, publish, members, earlier, session: mut settings } = settings;
        let terms = terms(&manifest)?;
        let mut consent = Consent::SERVE;
        if publish {
            consent = consent | Consent::PUBLISH;
        }
        let have = Bitfield::full(terms.chunk_count);
        let config = Config {
            me: self.id(),
            terms,
            consent,
            software: settings.software,
            controls: settings.controls.borrow_and_update().clone(),
            offer: settings.offer,
            order: Order::Rarest,
            rescan: false,
            repairs: false,
            listening: true,
            seed: settings.seed,
            unix_at_start: settings.unix_now,
            limits: Limits::default(),
        };
        let mut session = Session::new(
            self,
            SessionInputs {
                config,
                have,
                bans: settings.bans,
                source,
                sink: None,
                follow: None,
                root: *manifest.merkle_root(),
                manifest_text: Bytes::from(manifest.text()),
                outside: Outside {
                    controls: settings.controls,
                    chunk_maps: settings.chunk_maps,
                    found: settings.found,
                },
                knocks: settings.knocks,
                limits: settings.limits,
                reports: settings.reports,
            },
        )?;
        if publish {
            session.tell_of_sources(members);
            earlier.into_iter().for_each(|peer| session.tell(Input::Earlier(peer)));
        }
        Ok(Seeding(session))
    }
}

/// Serves until the end. Returns true if the source changed, false if the user stopped.
pub(super) async fn serve_until_stopped(session: &mut Session, stop: &mut watch::Receiver<bool>) -> bool {
    loop {
        tokio::select! {
            biased;
            () = stopped(stop) => return false,
            event = session.next() => {
                if let SessionEvent::SourceChanged = event {
                    return true;
                }
            }
        }
    }
}
