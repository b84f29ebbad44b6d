//! Fetching into a partial file, checking the whole while it grows, and serving what is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use minimodel_verifier::Manifest;
use minimodel_verifier::verify::{Following, Verified, verify_artifact};
use minimodel_wire::{Bitfield, CloseCode, Consent, PeerId};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

use super::chunk_writer::Follow;
use super::error::DriverError;
use super::fetched::{FetchEnd, FetchSettings, Fetched, PeerShare};
use super::messages::SessionEvent;
use super::node::Node;
use super::outside::Outside;
use super::seed::{Served, close_code, serve_until_stopped, stopped, terms};
use super::session::{Session, SessionInputs};
use crate::machine::{Config, Event, Input, Limits};
use crate::store::{Disk, Part, Resumed, StoreError};

/// Longest wait at the end for chunks that are being kept and checks that are being aborted: a hung disk must not keep
/// the user waiting.
const MAX_LAST_WORK: Duration = Duration::from_secs(1);
/// Longest wait after that for the last sync. Without it a power loss, and nothing else, costs the chunks since the
/// sync before.
const MAX_LAST_SYNC: Duration = Duration::from_millis(800);
/// Most refusals and bans that are reported at the end.
const MAX_REASONS: usize = 64;
/// Number of peers from which on a ban alone adds no peer to the receipt.
const MAX_SHARES: usize = 1_024;

/// A fetch under way.
pub struct Fetching<D: Disk> {
    session: Session,
    part: Arc<Part<D>>,
    /// The pending verdict of the whole-file check; `None` once it has come.
    verdict: Option<Verdict>,
    verified: Option<Verified>,
    peers: BTreeMap<PeerId, PeerShare>,
    reasons: Vec<Event>,
    met_a_peer: bool,
    /// Set by `Event::Complete`, which the machine reports after it reported each chunk as kept.
    is_complete: bool,
    stall_timeout: Duration,
    syncing: Option<JoinHandle<Result<Result<(), StoreError>, JoinError>>>,
    /// The file is no longer the artifact: nothing more is served from it.
    is_changed: bool,
    /// Close code sent to the peers at the end.
    close_code: CloseCode,
    start: Instant,
}

impl Node {
    /// Begins to fetch into `part`, which `resumed` describes. Must be called within the runtime.
    ///
    /// # Errors
    ///
    /// A manifest with more chunks than the protocol knows, or, if it serves, a session of this node in the same swarm.
    pub fn fetch<D: Disk>(
        &self,
        settings: FetchSettings,
        part: Arc<Part<D>>,
        resumed: &Resumed,
    ) -> Result<Fetching<D>, DriverError> {
        let FetchSettings { manifest, session: mut common, .. } = settings;
        let terms = terms(&manifest)?;
        let mut have = Bitfield::new(terms.chunk_count);
        for &index in &resumed.have {
            have.set(index);
        }
        let is_complete = have.is_full();
        let peers = known_peers(resumed);
        let config = Config {
            me: self.id(),
            terms,
            consent: settings.consent | Consent::FETCH,
            software: common.software,
            controls: common.controls.borrow_and_update().clone(),
            offer: common.offer,
            order: settings.order,
            rescan: resumed.data_without_record,
            repairs: settings.repairs && resumed.data_without_record,
            listening: settings.listening,
            seed: common.seed,
            unix_at_start: common.unix_now,
            limits: Limits::default(),
        };
        let (verdict, follow) = check_in_step(&manifest, &part, settings.full_check);
        let mut session = Session::new(
            self,
            SessionInputs {
                config,
                have,
                bans: common.bans,
                source: part.clone(),
                sink: Some(part.clone()),
                follow,
                root: *manifest.merkle_root(),
                manifest_text: Bytes::from(manifest.text()),
                outside: Outside {
                    controls: common.controls,
                    chunk_maps: common.chunk_maps,
                    found: common.found,
                },
                knocks: common.knocks,
                limits: common.limits,
                reports: common.reports,
            },
        )?;
        settings.earlier.into_iter().for_each(|peer| session.tell(Input::Earlier(peer)));
        session.tell_of_sources(settings.sources);
        Ok(Fetching {
            session,
            part,
            verdict: Some(verdict),
            verified: None,
            peers,
            reasons: Vec::new(),
            met_a_peer: false,
            is_complete,
            stall_timeout: settings.stall_timeout,
            syncing: None,
            is_changed: false,
            close_code: CloseCode::ShuttingDown,
            start: Instant::now(),
        })
    }
}

/// Returns the suppliers and the banned peers of earlier sessions of this partial file; whether a ban still holds is
/// not known here.
fn known_peers(resumed: &Resumed) -> BTreeMap<PeerId, PeerShare> {
    let mut peers: BTreeMap<PeerId, PeerShare> = BTreeMap::new();
    for (&peer, supplied) in &resumed.suppliers {
        let share = peers.entry(PeerId(peer)).or_default();
        (share.chunks, share.bytes) = (supplied.chunks, supplied.bytes);
    }
    for blame in &resumed.blames {
        let reason = format!("chunk {} failed its proof", blame.index);
        peers.entry(PeerId(blame.peer)).or_default().rejected.get_or_insert(reason);
    }
    peers
}

/// Receives the verdict of the whole-file check.
type Verdict = oneshot::Receiver<std::io::Result<Verified>>;

/// Prepares the whole-file check in step with the growing file: on the thread that hashes the chunks, or, where
/// everything is to be recomputed, on a thread of its own, which it starts.
fn check_in_step<D: Disk>(
    manifest: &Arc<Manifest>,
    part: &Arc<Part<D>>,
    full: bool,
) -> (Verdict, Option<Follow>) {
    let (tell, verdict) = oneshot::channel();
    if !full {
        return (verdict, Some(Follow { check: Following::new(manifest.clone()), verdict: tell }));
    }
    let (manifest, mut reader) = (manifest.clone(), part.prefix_reader());
    std::thread::spawn(move || {
        let judged = verify_artifact(&manifest, &mut reader);
        // The receiver of the verdict may rely on this thread no longer holding the file.
        drop(reader);
        // An error means that the fetch was stopped and has dropped the receiver.
        let _ = tell.send(judged);
    });
    (verdict, None)
}

/// Waits for the verdict, which comes once; never resolves after that.
async fn judged(
    verdict: &mut Option<Verdict>,
) -> Result<std::io::Result<Verified>, oneshot::error::RecvError> {
    let Some(waiting) = verdict else { return std::future::pending().await };
    let told = waiting.await;
    *verdict = None;
    told
}

impl<D: Disk> Fetching<D> {
    /// Fetches until the file is whole and checked, or nothing more can come.
    ///
    /// # Errors
    ///
    /// The local disk's, or a lost worker; what is there stays, and the fetch can be resumed.
    pub async fn run(&mut self, stop: &mut watch::Receiver<bool>) -> Result<FetchEnd, DriverError> {
        match self.drive(stop).await {
            // Connections stay open: the caller may go on to `keep_seeding`.
            Ok(end @ FetchEnd::Checked(_)) => {
                self.close_code = CloseCode::Done;
                Ok(end)
            }
            Ok(end) => {
                self.close().await?;
                Ok(end)
            }
            Err(error) => {
                // The first error is the cause; closing may well meet it again.
                let _ = self.close().await;
                Err(error)
            }
        }
    }

    async fn drive(&mut self, stop: &mut watch::Receiver<bool>) -> Result<FetchEnd, DriverError> {
        loop {
            // The check may be done before the machine has reported the suppliers of the last chunks.
            if self.is_complete
                && let Some(verified) = self.verified.take()
            {
                return Ok(FetchEnd::Checked(Fetched {
                    checks: verified.report,
                    peers: self.shares(),
                    found_on_disk: self.part.found_here(),
                    received_bytes: self.session.traffic().received,
                    elapsed: self.start.elapsed(),
                    check_tail: self.session.silence.last_chunk.elapsed(),
                }));
            }
            let event = tokio::select! {
                biased;
                () = stopped(stop) => return Ok(FetchEnd::Stopped),
                verdict = judged(&mut self.verdict) => {
                    let verified = verdict
                        .map_err(|_| DriverError::WorkerLost { doing: "checking the whole file" })?
                        .map_err(|source| DriverError::ReadBack { path: self.part.path(), source })?;
                    self.verified = Some(verified);
                    continue;
                }
                event = self.session.next() => event,
            };
            let end = match event {
                SessionEvent::Machine(event) => self.on_event(event).await?,
                SessionEvent::Disk(error) => return Err(error.into()),
                SessionEvent::WorkerLost(doing) => return Err(DriverError::WorkerLost { doing }),
                // A partial file reports a chunk that went bad as lost, never a changed source.
                SessionEvent::SourceChanged => None,
                SessionEvent::Periodic => self.periodic_work().await?,
            };
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// Returns the suppliers of the file as it is now, from its record, and the rejected peers. Counting arrivals would
    /// count a chunk twice that went bad on the disk and was fetched again.
    fn shares(&self) -> BTreeMap<PeerId, PeerShare> {
        let mut peers: BTreeMap<PeerId, PeerShare> = BTreeMap::new();
        for (&peer, share) in self.peers.iter().filter(|(_, share)| share.rejected.is_some()) {
            peers.insert(peer, PeerShare { rejected: share.rejected.clone(), ..PeerShare::default() });
        }
        for (peer, supplied) in self.part.suppliers() {
            let share = peers.entry(PeerId(peer)).or_default();
            (share.chunks, share.bytes) = (supplied.chunks, supplied.bytes);
        }
        peers
    }

    /// Serves on, after [`Self::run`], until `work` is done, such as giving the file its name.
    pub async fn serve_while<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                event = self.session.next(), if !self.is_changed => {
                    if let SessionEvent::SourceChanged = event {
                        (self.is_changed, self.close_code) = (true, close_code(true));
                    }
                }
            }
        }
    }

    /// Serves the finished file until the user stops or the file changes.
    ///
    /// # Errors
    ///
    /// The disk's, at the last sync.
    pub async fn keep_seeding(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Served, DriverError> {
        self.part.seal();
        self.session.samples.file_checked();
        let is_changed = self.is_changed || serve_until_stopped(&mut self.session, stop).await;
        self.close_code = close_code(is_changed);
        self.close().await?;
        Ok(Served { sent_bytes: self.session.traffic().sent, is_changed })
    }

    /// Ends all connections and all work on the file, and makes what is there durable. Once this fetch and the part are
    /// dropped, the same file can be opened again, at once unless the disk took longer than a second.
    ///
    /// # Errors
    ///
    /// The disk's, at the last sync.
    pub async fn close(&mut self) -> Result<(), DriverError> {
        let drained = self.session.stop(self.close_code).await;
        self.part.abort_prefix();
        let part = self.part.clone();
        let last_sync = self.session.tasks.blocking().run(move || part.sync());
        let (session, verdict, syncing) = (&mut self.session, &mut self.verdict, &mut self.syncing);
        let last_work = async {
            session.finish_writing().await;
            if let Some(verdict) = verdict.take() {
                let _ = verdict.await;
            }
            if let Some(syncing) = syncing.take() {
                let _ = syncing.await;
            }
        };
        let durable = async {
            let _ = timeout(MAX_LAST_WORK, last_work).await;
            timeout(MAX_LAST_SYNC, last_sync).await
        };
        let ((), synced) = tokio::join!(drained, durable);
        let Ok(synced) = synced else { return Ok(()) };
        Ok(synced.map_err(|_| DriverError::WorkerLost { doing: "syncing" })??)
    }

    async fn on_event(&mut self, event: Event) -> Result<Option<FetchEnd>, DriverError> {
        match &event {
            Event::Joined { .. } => self.met_a_peer = true,
            Event::Chunk { peer, bytes, .. } => {
                let share = self.peers.entry(*peer).or_default();
                share.chunks += 1;
                share.bytes += u64::from(*bytes);
            }
            Event::Banned { peer, breach, index, got } => {
                let reason = match index {
                    Some(index) => format!("chunk {index}: {breach}"),
                    None => breach.to_string(),
                };
                // Keys cost an attacker nothing, so the receipt names the peers of use and only some more.
                if self.peers.len() < MAX_SHARES || self.peers.contains_key(peer) {
                    self.peers.entry(*peer).or_default().rejected = Some(reason);
                }
                if let (Some(index), Some(got)) = (*index, *got) {
                    self.record_blame(*peer, index, got).await?;
                }
                self.remember(event);
            }
            Event::Refused { .. } | Event::WrongKey { .. } => self.remember(event),
            Event::Complete => self.is_complete = true,
            Event::NothingGood => return Ok(Some(FetchEnd::NothingGood)),
            Event::Exhausted => {
                return Ok(Some(FetchEnd::Exhausted { reasons: std::mem::take(&mut self.reasons) }));
            }
            _ => {}
        }
        Ok(None)
    }

    /// Remembers a reason for the final report, up to a limit: unknown peers may connect and be refused without end.
    fn remember(&mut self, reason: Event) {
        if self.reasons.len() < MAX_REASONS {
            self.reasons.push(reason);
        }
    }

    async fn record_blame(&self, peer: PeerId, index: u32, got: [u8; 32]) -> Result<(), DriverError> {
        let (part, at) = (self.part.clone(), self.session.calendar.unix());
        let recorded = self.session.tasks.blocking().run(move || part.record_blame(peer.0, index, got, at));
        Ok(recorded.await.map_err(|_| DriverError::WorkerLost { doing: "recording blame" })??)
    }

    async fn periodic_work(&mut self) -> Result<Option<FetchEnd>, DriverError> {
        if let Some(syncing) = self.syncing.take_if(|syncing| syncing.is_finished()) {
            syncing.await.flatten().map_err(|_| DriverError::WorkerLost { doing: "syncing" })??;
        }
        if self.syncing.is_none() && self.part.has_unsynced() {
            let (part, elapsed) = (self.part.clone(), self.start.elapsed());
            let syncing = self.session.tasks.blocking().run(move || part.sync_if_due(elapsed));
            self.syncing = Some(tokio::spawn(syncing));
        }
        if self.session.downloading.is_rescanning() || self.session.machine.have().is_full() {
            return Ok(None);
        }
        let is_stalled = self.session.silence.is_stalled(Instant::now(), self.stall_timeout);
        Ok(is_stalled.then(|| FetchEnd::Stalled {
            met_a_peer: self.met_a_peer,
            reasons: std::mem::take(&mut self.reasons),
        }))
    }
}

#[cfg(test)]
mod tests;
