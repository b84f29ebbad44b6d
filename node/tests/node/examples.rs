//! The examples of this crate, run against each other over loopback.

use std::path::Path;

use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};

#[expect(dead_code, unreachable_pub, reason = "a program, of which the test uses a part")]
#[path = "../../examples/fetch.rs"]
mod fetch;
#[expect(dead_code, unreachable_pub, reason = "a program, of which the test uses a part")]
#[path = "../../examples/seed.rs"]
mod seed;
#[expect(dead_code, unreachable_pub, reason = "a program, of which the test uses a part")]
#[path = "../../examples/watch.rs"]
mod watch;

/// Limit on the lines of an example.
const MOST_LINES: usize = 40;

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn a_seeder_a_fetcher_and_a_watcher_move_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&folder.path().join(name));
    let bytes = slm_vec(&Shape::about(300_000, Quantization::Q4_0).unwrap(), 8);
    let manifest = ManifestText::of(&bytes, &ManifestOptions::default()).render();
    std::fs::write(at("model.slm"), &bytes).unwrap();
    std::fs::write(at("model.minimodel"), manifest).unwrap();
    let seeder = [at("alice"), at("model.minimodel"), at("model.slm"), "127.0.0.1:0".to_owned()];
    // The seeder serves from a thread of its own, so that this one may wait for the others.
    let fetch_both = |offer: String| {
        std::thread::scope(|scope| {
            scope.spawn(|| block_on(fetch::run(at("bob"), &offer, at("fetched"))).unwrap());
            scope.spawn(|| block_on(watch::run(at("carol"), &offer, at("watched"))).unwrap());
        });
    };
    block_on(seed::run(seeder, fetch_both)).unwrap();
    for fetched in ["fetched", "watched"] {
        let files = std::fs::read_dir(folder.path().join(fetched)).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        let ends = [".minimodel", ".slm", ".slm.receipt"];
        assert!(files.len() == ends.len(), "{files:?}");
        assert!(files.iter().zip(ends).all(|(file, end)| text(file).ends_with(end)), "{files:?}");
        assert_eq!(std::fs::read(&files[1]).unwrap(), bytes);
    }
    assert!(folder.path().join("bob/state/consent.log").exists());
}

#[test]
fn an_example_is_short() {
    for name in ["fetch", "seed", "watch"] {
        let path = format!("{}/examples/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < MOST_LINES, "{path} has {lines} lines");
    }
}
