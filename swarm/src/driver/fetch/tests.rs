use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
use minimodel_verifier::artifact::{ArtifactName, Format};
use minimodel_verifier::chunk::{Layout, Tree};
use minimodel_verifier::sha256;

use super::super::SessionSettings;
use super::super::tests::node;
use super::*;
use crate::machine::Breach;
use crate::store::{MemDisk, Opener, PartSpec};

const CHUNK: usize = 16 << 10;
const BEGAN: u64 = 1_780_000_000;
const SLEPT: u64 = 8 * 3_600;

// Rows: E16
#[tokio::test]
async fn ban_after_a_sleep_is_recorded_with_calendar_time() {
    let artifact = slm_vec(&Shape::about(1 << 18, Quantization::F32).unwrap(), 5);
    let options = ManifestOptions { chunk_size: CHUNK, ..ManifestOptions::default() };
    let text = ManifestText::of(&artifact, &options).render();
    let manifest = Arc::new(Manifest::parse(text.as_bytes()).unwrap());
    let layout = Layout::new(artifact.len() as u64, CHUNK as u64).unwrap();
    let tree = Tree::from_chunk_hashes(artifact.chunks(CHUNK).map(sha256).collect());
    let disk = MemDisk::new();
    let open = || {
        let spec = PartSpec { swarm_id: *manifest.swarm_id(), layout, root: *tree.root() };
        Part::open(
            disk.clone(),
            &ArtifactName::new("model", Format::Slm),
            spec,
            Opener { pid: 1, now_unix: BEGAN },
        )
        .unwrap()
    };
    let (part, resumed) = open();
    let (node, _) = node(1);
    let session = SessionSettings::new("test/1", 1, BEGAN);
    let settings =
        FetchSettings { listening: true, ..FetchSettings::new(manifest.clone(), Vec::new(), session) };
    let part = Arc::new(part);
    let mut fetching = node.fetch(settings, part.clone(), &resumed).unwrap();
    fetching.session.calendar.sleep(Duration::from_secs(SLEPT));
    let (peer, got) = (PeerId([3; 32]), Some([4; 32]));
    let banned = Event::Banned { peer, breach: Breach::BadChunk, index: Some(1), got };
    assert!(fetching.on_event(banned).await.unwrap().is_none());
    fetching.close().await.unwrap();
    drop(fetching);
    assert_eq!(Arc::strong_count(&part), 1, "a thread still holds the file");
    drop(part);
    let at: Vec<u64> = open().1.blames.iter().map(|blame| blame.at_unix).collect();
    assert!(matches!(at[..], [at] if (SLEPT..SLEPT + 600).contains(&(at - BEGAN))), "{at:?}");
}
