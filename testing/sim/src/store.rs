//! The real store of a simulated peer, on a disk that fails. Every answer of the store is compared with the truth.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use minimodel_swarm::machine::{KeepOutcome, Time};
use minimodel_swarm::store::{
    ChunkSource, Crash, Disk as _, DiskFile as _, FileSource, KeepError, MemDisk, MemFile, Open, Opener,
    Part, Published, SourceError, StoreError,
};
use minimodel_verifier::artifact::{ArtifactName, Format};
use minimodel_verifier::verify::verify_artifact;
use minimodel_wire::PeerId;

use crate::artifact::{Artifact, Payload};
use crate::config::UNIX_AT_START;
use crate::failing_disk::FailingDisk;
use crate::world::secs;

static NAME: LazyLock<ArtifactName> = LazyLock::new(|| ArtifactName::new("tiny-1.0", Format::Slm));
const TARGET: &str = "tiny-1.0.slm";
const PART: &str = "tiny-1.0.slm.part";
const RECEIPT: &[u8] = b"receipt.version=0\n";
/// Longest time that a chunk may be unsynced: two seconds, and a second until the next check.
const SYNC_WINDOW_SECS: u64 = 3;

/// Failure of a store operation.
pub(crate) enum Trouble {
    /// A disk failure: the process ends, and its user runs it again.
    Disk(String),
    /// An invariant does not hold: the test fails.
    Broken(String),
}

/// What a process finds when it starts.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) have: Vec<u32>,
    pub(crate) banned: BTreeSet<PeerId>,
    pub(crate) rescan: bool,
    /// The file has its final name, was checked, and its copies are written.
    pub(crate) is_finished: bool,
}

enum Holder {
    Nobody,
    Part(Arc<Part<MemDisk>>),
    Whole(Box<FileSource<MemFile>>),
}

/// The real store of a peer, and what is known of it besides.
pub struct Store {
    artifact: &'static Artifact,
    pub(crate) disk: FailingDisk,
    holder: Holder,
    /// Chunks that the next process must find after a kill, and in `synced` those that it must find after a power
    /// loss.
    kept: BTreeSet<u32>,
    synced: BTreeSet<u32>,
    /// Chunks that were written to the part, or tried to be.
    written: BTreeSet<u32>,
    /// Chunks that this process's rescan must recover from the file that was put aside.
    aside: BTreeSet<u32>,
    /// When the first chunk since the last sync was kept.
    unsynced_since: Option<Time>,
    sync_failed: bool,
    /// The power failed: all that the next process finds is durable.
    is_all_durable: bool,
}

fn disk<E: std::fmt::Display>(error: E) -> Trouble {
    Trouble::Disk(error.to_string())
}

impl Store {
    /// The disk of a seeder, which has the whole file under its final name.
    pub(crate) fn whole(artifact: &'static Artifact) -> Self {
        let disk = MemDisk::new();
        let file = disk.open(TARGET, Open::New).expect("a new disk");
        file.write_all_at(&artifact.bytes, 0).and_then(|()| file.sync_data()).expect("a new disk");
        disk.sync_dir().expect("a new disk");
        Self::on(artifact, disk)
    }

    /// The disk of a leecher, which has some chunks from an earlier session.
    pub(crate) fn partial(artifact: &'static Artifact, chunks: &[u32]) -> Self {
        let mut store = Self::on(artifact, MemDisk::new());
        if !chunks.is_empty() {
            let (part, _) = store.open_part().expect("a new disk");
            for &index in chunks {
                let payload = artifact.payload(index);
                part.keep(index, &payload.bytes, &payload.proof, [0xEE; 32]).expect("a good chunk");
            }
            part.sync().expect("a new disk");
            store.kept.extend(chunks);
            store.written.extend(chunks);
            store.synced.extend(chunks);
        }
        store
    }

    fn on(artifact: &'static Artifact, disk: MemDisk) -> Self {
        Self {
            artifact,
            disk: FailingDisk::from(disk),
            holder: Holder::Nobody,
            kept: BTreeSet::new(),
            synced: BTreeSet::new(),
            written: BTreeSet::new(),
            aside: BTreeSet::new(),
            unsynced_since: None,
            sync_failed: false,
            is_all_durable: false,
        }
    }

    fn open_part(&self) -> Result<(Part<MemDisk>, minimodel_swarm::store::Resumed), StoreError> {
        let opener = Opener { pid: 7, now_unix: UNIX_AT_START };
        Part::open(self.disk.disk.clone(), &NAME, self.artifact.spec, opener)
    }

    /// Opens the store as a starting process does: a file under the final name is checked and its import completed;
    /// else the partial file is opened, and every chunk that it believes to have is compared with the truth.
    pub(crate) fn open(&mut self) -> Result<Found, Trouble> {
        self.sync_failed = false;
        let resumed = Published::resume(self.disk.disk.clone(), &NAME, &self.artifact.spec).map_err(disk)?;
        let count = self.artifact.spec.layout.count();
        if let Some((published, _)) = resumed {
            self.check_final()?;
            let source = published.source().map_err(disk)?;
            let verified = verify_artifact(&self.artifact.manifest, &mut source.reader()).map_err(disk)?;
            if !verified.report.ok() {
                return Err(Trouble::Broken("I2: a published file fails its check".to_owned()));
            }
            let finished = published.finish(self.artifact.manifest.text().as_bytes(), Some(RECEIPT));
            if !finished.is_closed {
                return Err(Trouble::Disk(format!("the file is in place, its copies are not: {finished:?}")));
            }
            let (layout, tree) = (self.artifact.spec.layout, self.artifact.tree.clone());
            self.holder = Holder::Whole(Box::new(FileSource::new(source, layout, tree).map_err(disk)?));
            return Ok(Found { have: (0..count).collect(), is_finished: true, ..Found::default() });
        }
        let (part, resumed) = self.open_part().map_err(disk)?;
        for &index in &resumed.have {
            self.check_bytes(&part, index)?;
        }
        if let Some(aside) = &resumed.put_aside {
            let name = aside.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !self.kept.is_empty() {
                self.check_aside(name, resumed.data_without_record)?;
            }
            self.written.clear();
        }
        if let Some(lost) = self.kept.iter().find(|index| !resumed.have.contains(index)) {
            return Err(Trouble::Broken(format!("I3: chunk {lost} was promised and is lost: {resumed:?}")));
        }
        self.kept = resumed.have.iter().copied().collect();
        if std::mem::take(&mut self.is_all_durable) {
            self.synced.clone_from(&self.kept);
        }
        self.unsynced_since = None;
        self.holder = Holder::Part(Arc::new(part));
        let banned = resumed.blames.iter().map(|blame| PeerId(blame.peer)).collect();
        Ok(Found { have: resumed.have, banned, rescan: resumed.data_without_record, is_finished: false })
    }

    /// H8 before I3: where more places hold other data than good chunks, the store takes the file for an unrelated one and
    /// puts it aside. Nothing is lost then: the file lies beside the part, and this process recovers the good chunks from it.
    fn check_aside(&mut self, name: &str, rescan: bool) -> Result<(), Trouble> {
        let (good, other) = (self.kept.len(), self.written.difference(&self.kept).count());
        if !rescan || other <= good + 1 {
            return Err(Trouble::Broken(format!("I3: put aside with {good} chunks good and {other} other")));
        }
        for &index in &self.kept {
            let (offset, expected) = (self.artifact.spec.layout.offset(index), self.artifact.chunk(index));
            if self.disk.disk.peek(name, offset, expected.len()).as_deref() != Some(&expected[..]) {
                return Err(Trouble::Broken(format!("I3: chunk {index} is not in {name}")));
            }
        }
        self.aside = std::mem::take(&mut self.kept);
        Ok(())
    }

    /// I1: a chunk that the store believes to have is on the disk.
    fn check_bytes(&self, part: &Part<MemDisk>, index: u32) -> Result<(), Trouble> {
        let (offset, expected) = (self.artifact.spec.layout.offset(index), self.artifact.chunk(index));
        let name = if self.disk.disk.peek(PART, 0, 0).is_some() { PART } else { TARGET };
        if part.has(index)
            && self.disk.disk.peek(name, offset, expected.len()).as_deref() == Some(&expected[..])
        {
            return Ok(());
        }
        Err(Trouble::Broken(format!("I1: chunk {index} is believed and not on the disk")))
    }

    /// I2: a file under the final name is the whole artifact.
    fn check_final(&self) -> Result<(), Trouble> {
        match self.disk.disk.peek(TARGET, 0, self.artifact.bytes.len() + 1) {
            Some(bytes) if bytes != self.artifact.bytes => {
                Err(Trouble::Broken("I2: the final name stands over other bytes".to_owned()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn has(&self, index: u32) -> bool {
        self.source().is_some_and(|source| source.has(index))
    }

    /// Whether a process has the store open.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.holder, Holder::Nobody)
    }

    pub(crate) fn is_complete(&self) -> bool {
        matches!(&self.holder, Holder::Part(part) if part.is_complete())
    }

    /// Checks the file under the final name, if any, and a receipt beside it; returns whether the file is there.
    pub(crate) fn check_end(&self) -> Result<bool, Trouble> {
        self.check_final()?;
        if self.disk.disk.contents("tiny-1.0.slm.receipt").is_some_and(|receipt| receipt != RECEIPT) {
            return Err(Trouble::Broken("a torn receipt".to_owned()));
        }
        Ok(self.disk.disk.peek(TARGET, 0, 0).is_some())
    }

    /// Proves and keeps a chunk, and checks that the store's verdict is right.
    pub(crate) fn keep(
        &mut self,
        index: u32,
        payload: &Payload,
        from: PeerId,
        now: Time,
    ) -> Result<KeepOutcome, Trouble> {
        let Holder::Part(part) = &self.holder else { return Err(disk("nothing is open")) };
        let is_good = self.artifact.is_good(index, payload);
        self.written.insert(index);
        let verdict = part.keep(index, &payload.bytes, &payload.proof, from.0);
        match verdict {
            Ok(_) if !is_good => Err(Trouble::Broken(format!("I1: a bad chunk {index} was accepted"))),
            Ok(_) => {
                self.check_bytes(part, index)?;
                self.kept.insert(index);
                self.unsynced_since.get_or_insert(now);
                Ok(KeepOutcome::Kept)
            }
            Err(KeepError::BadProof { .. }) if is_good => {
                Err(Trouble::Broken(format!("a good chunk {index} was refused")))
            }
            Err(KeepError::BadProof { got, .. }) => Ok(KeepOutcome::BadProof { got }),
            Err(KeepError::Disk(error)) => Err(disk(error)),
        }
    }

    pub(crate) fn blame(&self, peer: PeerId, index: u32, got: [u8; 32]) -> Result<(), Trouble> {
        let Holder::Part(part) = &self.holder else { return Ok(()) };
        part.record_blame(peer.0, index, got, UNIX_AT_START).map_err(disk)
    }

    /// Syncs what is due; called twice a second, as long as the process runs.
    pub(crate) fn moment(&mut self, now: Time) -> Result<(), Trouble> {
        let Holder::Part(part) = &self.holder else { return Ok(()) };
        if let Err(error) = part.sync_if_due(now.since_start()) {
            self.sync_failed = true;
            return Err(disk(error));
        }
        if !part.has_unsynced() {
            self.synced.clone_from(&self.kept);
            self.unsynced_since = None;
        }
        match self.unsynced_since {
            Some(since) if now.since(since) > secs(SYNC_WINDOW_SECS) => {
                Err(Trouble::Broken(format!("I3: unsynced since {:?}", since.since_start())))
            }
            _ => Ok(()),
        }
    }

    /// Checks the whole file, publishes it and writes its copies; true if nothing is left to do.
    pub(crate) fn finish(&mut self) -> Result<bool, Trouble> {
        let Holder::Part(part) = &self.holder else { return Ok(true) };
        let verified = verify_artifact(&self.artifact.manifest, &mut part.prefix_reader()).map_err(disk)?;
        if !verified.report.ok() {
            return Err(Trouble::Broken("proven chunks fail the whole-file check".to_owned()));
        }
        let published = part.publish().map_err(|error| {
            self.sync_failed = true;
            disk(error)
        })?;
        self.synced.clone_from(&self.kept);
        let finished = published.finish(self.artifact.manifest.text().as_bytes(), Some(RECEIPT));
        part.suspect();
        self.check_final()?;
        Ok(finished.is_closed)
    }

    pub(crate) fn rescan(&mut self) -> Result<Vec<u32>, Trouble> {
        let Holder::Part(part) = &self.holder else { return Ok(Vec::new()) };
        let found = part.rescan(self.artifact.tree.chunk_hashes().to_vec()).map_err(disk)?;
        for &index in &found {
            self.check_bytes(part, index)?;
        }
        self.kept.extend(&found);
        self.written.extend(&found);
        if let Some(lost) = self.aside.iter().find(|index| !self.kept.contains(index)) {
            return Err(Trouble::Broken(format!("I3: chunk {lost} was put aside and is not found again")));
        }
        self.aside.clear();
        Ok(found)
    }

    pub(crate) fn read(&self, index: u32) -> Result<Payload, SourceError> {
        let chunk = self.source().ok_or(SourceError::NotHave { index })?.chunk(index)?;
        Ok(Payload { bytes: chunk.bytes, proof: chunk.proof })
    }

    pub(crate) fn knows_leaves(&self, first: u32, count: u32) -> bool {
        self.source().is_some_and(|source| source.leaves(first, count).is_some())
    }

    /// Whether a process shares a finished file of an earlier process.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.holder, Holder::Whole(_))
    }

    /// The source of chunks, while a process has the store open.
    fn source(&self) -> Option<&dyn ChunkSource> {
        match &self.holder {
            Holder::Nobody => None,
            Holder::Part(part) => Some(&**part),
            Holder::Whole(source) => Some(&**source),
        }
    }

    /// Makes the store hash every chunk before sending it, from now on.
    pub(crate) fn suspect(&self) {
        if let Some(source) = self.source() {
            source.suspect();
        }
    }

    /// Ends the process in order: it syncs what it has.
    pub(crate) fn close(&mut self) {
        if let Holder::Part(part) = &self.holder {
            self.sync_failed |= part.sync().is_err();
        }
        self.crash(Crash::Kill);
    }

    /// Ends the process, or the power with it.
    pub(crate) fn crash(&mut self, crash: Crash) {
        self.holder = Holder::Nobody;
        // The file that was put aside stays there; only the process that put it aside recovers chunks from it.
        self.aside.clear();
        if crash != Crash::Kill || self.sync_failed {
            self.kept.clone_from(&self.synced);
        }
        self.is_all_durable |= crash != Crash::Kill;
        self.disk.crash(crash);
    }

    /// Flips a bit of a chunk: of a partial file that no process has open, or of a finished file that is shared.
    pub(crate) fn rot(&mut self, index: u32) -> bool {
        let name = if self.is_whole() { TARGET } else { PART };
        let is_there = self.disk.disk.rot(name, self.artifact.spec.layout.offset(index) + 5, 0x20);
        if is_there {
            self.synced.remove(&index);
            self.kept.remove(&index);
        }
        is_there
    }
}
