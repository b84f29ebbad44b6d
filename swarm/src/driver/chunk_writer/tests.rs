use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
use minimodel_verifier::artifact::{ArtifactName, Format};
use minimodel_verifier::chunk::{Layout, Tree};
use minimodel_verifier::{Manifest, sha256};
use tokio::sync::oneshot::error::TryRecvError;

use super::*;
use crate::machine::KeepOutcome;
use crate::store::{Disk as _, DiskFile as _, MemDisk, Open, Opener, Part, PartSpec};

const CHUNK: u32 = 16 << 10;

struct Bench {
    artifact: Vec<u8>,
    tree: Tree,
    layout: Layout,
    disk: MemDisk,
    part: Arc<Part<MemDisk>>,
    chunk_writer: ChunkWriter,
    messages: mpsc::Receiver<TaskMessage>,
    verdict: oneshot::Receiver<std::io::Result<Verified>>,
}

impl Bench {
    /// A fetch that has just begun. `promised` edits the manifest, but not the chunks.
    fn new(promised: impl FnOnce(ManifestText) -> ManifestText) -> Self {
        let artifact = slm_vec(&Shape::about(1 << 20, Quantization::F32).unwrap(), 5);
        let options = ManifestOptions { chunk_size: CHUNK as usize, ..ManifestOptions::default() };
        let text = promised(ManifestText::of(&artifact, &options));
        let manifest = Arc::new(Manifest::parse(text.render().as_bytes()).unwrap());
        let layout = Layout::new(artifact.len() as u64, u64::from(CHUNK)).unwrap();
        let tree = Tree::from_chunk_hashes(artifact.chunks(CHUNK as usize).map(sha256).collect());
        let spec = PartSpec { swarm_id: *manifest.swarm_id(), layout, root: *tree.root() };
        let opener = Opener { pid: 1, now_unix: 1 };
        let disk = MemDisk::new();
        let (part, _) =
            Part::open(disk.clone(), &ArtifactName::new("model", Format::Slm), spec, opener).unwrap();
        let (part, (inbox, messages)) = (Arc::new(part), mpsc::channel(1_000));
        let (tell, verdict) = oneshot::channel();
        let follow = Follow { check: Following::new(manifest), verdict: tell };
        let chunk_writer = ChunkWriter::start(part.clone(), Some(follow), inbox).unwrap();
        Self { artifact, tree, layout, disk, part, chunk_writer, messages, verdict }
    }

    fn give(&self, index: u32, spoil: u8) {
        let start = self.layout.offset(index) as usize;
        let mut data = self.artifact[start..start + self.layout.chunk_len(index) as usize].to_vec();
        data[7] ^= spoil;
        let proof = self.tree.proof(index).unwrap();
        self.chunk_writer.keep(Job { req: Req(u64::from(index)), index, data, proof, supplier: [3; 32] });
    }

    fn outcome(&mut self) -> (u64, KeepOutcome) {
        match self.messages.blocking_recv() {
            Some(TaskMessage::Kept { req, outcome, .. }) => (req.0, outcome.unwrap()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn chunks_in_any_order_are_kept_and_the_whole_file_is_verified() {
    let orders: [fn(u32, u32) -> u32; 3] = [|n, _| n, |n, count| count - 1 - n, |n, count| n * 7 % count];
    for order in orders {
        let mut bench = Bench::new(|text| text);
        let count = bench.layout.count();
        assert!(count > 20 && !count.is_multiple_of(7));
        for n in 0..count {
            bench.give(order(n, count), 0);
        }
        for _ in 0..count {
            assert_eq!(bench.outcome().1, KeepOutcome::Kept);
        }
        let verified = bench.verdict.blocking_recv().unwrap().unwrap();
        assert!(verified.report.ok(), "{:?}", verified.report);
        assert!(bench.part.is_complete());
    }
}

// Rows: E12
#[test]
fn ending_chunk_writer_keeps_queued_chunks_and_frees_the_file() {
    for _ in 0..20 {
        let bench = Bench::new(|text| text);
        let count = bench.layout.count();
        (0..count).for_each(|index| bench.give(index, 0));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(bench.chunk_writer.end());
        assert!(bench.part.is_complete());
        assert_eq!(Arc::strong_count(&bench.part), 1);
    }
}

// Rows: B1
#[test]
fn unproven_chunk_is_not_kept_and_final_check_waits_for_good() {
    let mut bench = Bench::new(|text| text);
    let count = bench.layout.count();
    (0..count).for_each(|index| bench.give(index, u8::from(index == 3)));
    let bad = (0..count).map(|_| bench.outcome()).filter(|(_, outcome)| *outcome != KeepOutcome::Kept);
    let bad: Vec<_> = bad.collect();
    assert!(matches!(bad[..], [(3, KeepOutcome::BadProof { .. })]), "{bad:?}");
    assert_eq!(bench.verdict.try_recv().unwrap_err(), TryRecvError::Empty);
    bench.give(3, 0);
    assert_eq!(bench.outcome(), (3, KeepOutcome::Kept));
    assert!(bench.verdict.blocking_recv().unwrap().unwrap().report.ok());
}

// Rows: D12
#[test]
fn proven_chunks_with_wrong_artifact_hash_fail_final_check() {
    let mut bench = Bench::new(|text| text.with("artifact.sha256", &format!("sha256:{}", "AB".repeat(32))));
    (0..bench.layout.count()).for_each(|index| bench.give(index, 0));
    assert_eq!(bench.outcome().1, KeepOutcome::Kept);
    let verified = bench.verdict.blocking_recv().unwrap().unwrap();
    let failed: Vec<_> = verified.report.failures().map(|check| check.name).collect();
    assert_eq!(failed, ["artifact.sha256"]);
}

// Rows: E4
#[test]
fn what_a_rescan_finds_is_judged_without_another_chunk() {
    let bench = Bench::new(|text| text);
    let (part, leaves) = (bench.part.clone(), bench.tree.chunk_hashes().to_vec());
    let file = bench.disk.open("model.slm.part", Open::Existing).unwrap();
    file.write_all_at(&bench.artifact, 0).unwrap();
    assert_eq!(part.rescan(leaves).unwrap().len() as u32, bench.layout.count());
    bench.chunk_writer.file_grew();
    assert!(bench.verdict.blocking_recv().unwrap().unwrap().report.ok());
}

// Rows: F6
#[test]
fn both_threads_end_with_the_session() {
    let bench = Bench::new(|text| text);
    bench.give(1, 0);
    let Bench { part, chunk_writer, mut messages, .. } = bench;
    drop(chunk_writer);
    while messages.blocking_recv().is_some() {}
    // All senders of messages are gone: both threads are ending and release the file in a moment.
    let start = std::time::Instant::now();
    while Arc::strong_count(&part) > 1 && start.elapsed().as_secs() < 10 {
        std::thread::yield_now();
    }
    assert_eq!(Arc::strong_count(&part), 1);
}
