//! A whole file of proven bytes that is no valid artifact.

use super::model::{Fetcher, Model};
use super::seeder::Seeder;
use crate::process::events;

// Rows: D14
#[test]
fn proven_bytes_that_are_no_artifact_get_invalid_name_no_blame() {
    let model = Model::invalid();
    let seeder = Seeder::honest(&model, 1 << 30);
    let fetcher = Fetcher::of(&model);
    for names in [&[".slm.invalid"][..], &[".slm.invalid", ".slm.invalid.2"]] {
        let ran = fetcher.run(&[seeder.offer()], &["--json", "-v"]).exits(4);
        assert!(ran.stderr.contains("no peer is to blame, the manifest's publisher is"), "{}", ran.stderr);
        for claim in ["peer-banned", "peer-struck", "done"] {
            assert_eq!(events(&ran.stdout, claim).count(), 0, "{}", ran.stdout);
        }
        assert_eq!(fetcher.names(), names);
        assert_eq!(
            std::fs::read(fetcher.path("out/sample-model-1.0.0.slm.invalid")).unwrap().len() as u64,
            model.manifest.byte_count()
        );
    }
}
