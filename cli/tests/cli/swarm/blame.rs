//! Bans that last: other runs and other folders apply them, and the user can list and clear them.

use std::os::unix::fs::PermissionsExt as _;

use minimodel_verifier::digest::{hex, tagged};
use serde_json::Value;

use super::model::{Fetcher, Model};
use super::seeder::{Seeder, falsified};
use crate::home::Ran;
use crate::process::events;

fn say(fetcher: &Fetcher<'_>, line: &str) -> Ran {
    Ran::of(fetcher.command(line.split(' ')).output().unwrap())
}

fn listed(fetcher: &Fetcher<'_>) -> Vec<Value> {
    events(&say(fetcher, "--json blame list").exits(0).stdout, "blame").collect()
}

// Rows: B1
#[test]
fn ban_is_listed_with_chunk_and_hash_and_lasts_until_cleared() {
    let model = Model::of("1MiB");
    let (liar, fetcher) = (Seeder::liar(&model, 0), Fetcher::of(&model));
    assert!(listed(&fetcher).is_empty());
    assert_eq!(say(&fetcher, "blame list").exits(0).stdout, "");
    fetcher.run(&[liar.offer()], &[]).exits(4);

    let mode = std::fs::metadata(fetcher.own("state/blame.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bans = listed(&fetcher);
    assert_eq!(bans.len(), 1, "{bans:?}");
    let ban = &bans[0];
    assert_eq!((&ban["peer"], &ban["model"]), (&liar.peer().into(), &"moved 1.2".into()));
    assert_eq!(ban["swarm_id"], hex(model.manifest.swarm_id()));
    assert_eq!((&ban["reason"], &ban["active"]), (&"sent a chunk that fails its proof".into(), &true.into()));
    assert_eq!(ban["until_unix"].as_u64().unwrap() - ban["at_unix"].as_u64().unwrap(), 24 * 3_600);
    let index = ban["chunk"].as_u64().unwrap() as usize;
    let artifact = std::fs::read(model.artifact()).unwrap();
    let chunk = artifact.chunks(model.manifest.chunk_size() as usize).nth(index).unwrap();
    assert_eq!(ban["got"], tagged(&minimodel_verifier::sha256(&falsified(chunk))));

    let shown = say(&fetcher, &format!("blame show {}", liar.peer())).exits(0);
    shown.is_harmless();
    for piece in [liar.peer(), "moved 1.2", "fails its proof", "expected", ban["got"].as_str().unwrap()] {
        assert!(shown.stdout.contains(piece), "{piece} is not in {}", shown.stdout);
    }

    // The partial file and its record are gone, and the banned peer is still not asked.
    std::fs::remove_dir_all(fetcher.path("out")).unwrap();
    let served = liar.served();
    let ran = fetcher.run(&[liar.offer()], &[]).exits(4);
    assert_eq!(liar.served(), served);
    assert!(ran.stderr.contains(&format!("`minimodel blame show {}`", liar.peer())), "{}", ran.stderr);

    say(&fetcher, &format!("blame clear {}", liar.peer())).exits(0);
    assert!(listed(&fetcher).is_empty());
    say(&fetcher, &format!("blame clear {}", liar.peer())).exits(3);
    say(&fetcher, &format!("blame show {}", liar.peer())).exits(3);
    fetcher.run(&[liar.offer()], &[]).exits(4);
    assert!(liar.served().len() > served.len(), "it was not asked again");
    say(&fetcher, "blame clear --all").exits(0);
    assert!(listed(&fetcher).is_empty());
    say(&fetcher, "blame clear").exits(2);
}

#[test]
fn unreadable_ban_record_is_told_and_does_not_stop_a_fetch() {
    let model = Model::of("1MiB");
    let (honest, fetcher) = (Seeder::honest(&model, 64 << 20), Fetcher::of(&model));
    say(&fetcher, "id new").exits(0);
    let state = fetcher.own("state");
    std::fs::create_dir_all(state.join("blame.jsonl")).unwrap();
    let ran = fetcher.run(&[honest.offer()], &[]).exits(0);
    assert!(ran.stderr.contains("bans of earlier runs are not known"), "{}", ran.stderr);
    fetcher.has_it_all();
    say(&fetcher, "blame list").exits(13);

    std::fs::remove_dir(state.join("blame.jsonl")).unwrap();
    std::fs::write(state.join("blame.jsonl"), "not json\n{\"version\":7}\n").unwrap();
    let ran = say(&fetcher, "blame list").exits(0);
    assert!(ran.stderr.contains("2 lines of `blame.jsonl` cannot be read"), "{}", ran.stderr);
}
