//! A fetcher that keeps serving while its finished file is changed: the share ends with an error.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::model::{Fetcher, Model};
use super::seeder::Seeder;
use crate::process::{Running, event};

#[track_caller]
fn ends_the_share(change: fn(&Path)) {
    let model = Model::in_chunks("1MiB", "16KiB");
    let honest = Seeder::honest(&model, 1 << 30);
    let first = Fetcher::of(&model);
    let mut line = first.line(
        &[honest.offer()],
        &["--json", "--keep-seeding", "--offer-out", "first.offer", "--up", "128KiB"],
    );
    let keeper = Running::start(line.args(["--consent", "fetch,import,serve"]));
    keeper.wait_until_said("serving on until Ctrl-C");
    first.has_it_all();
    let records = || fs::read_dir(first.own("state/checked")).unwrap().count();
    let recorded = records();

    let second = Fetcher::of(&model);
    let offer = first.path("first.offer");
    let running = second.start(&[offer.to_str().unwrap()], &["--stall-timeout", "3s"]);
    second.wait_for_chunks(4);
    change(&first.artifact());

    let kept = keeper.end().exits(4);
    assert!(
        kept.stderr.contains("error: source changed, stopped sharing: `out/moved-1.2.slm`"),
        "{}",
        kept.stderr
    );
    assert_eq!(event(&kept.stdout, "stopped")["source_changed"], true);
    assert_eq!(event(&kept.stdout, "error")["code"], 4);
    // The record of the file's check is gone.
    assert_eq!(records(), recorded.saturating_sub(1));

    running.end().exits(7);
    second.run(&[honest.offer()], &[]).exits(0);
    second.has_it_all();
    assert!(second.receipt().import().peers.iter().all(|peer| peer.rejected.is_none()));
}

// Rows: E14
#[test]
fn finished_file_overwritten_while_seeding_ends_the_share() {
    ends_the_share(|path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(&vec![0xa5; file.metadata().unwrap().len() as usize], 0).unwrap();
    });
}

// Rows: E14
#[test]
fn finished_file_truncated_while_seeding_ends_the_share() {
    ends_the_share(|path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    });
}

// Rows: E14
#[test]
fn finished_file_emptied_or_grown_while_seeding_ends_the_share() {
    ends_the_share(|path| drop(File::create(path).unwrap()));
    ends_the_share(|path| OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap());
}
