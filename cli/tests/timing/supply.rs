//! How often a slow seeder sends its file when several fetch it at once.

use crate::alone;
use crate::home::Home;
use crate::model::{Fetcher, Model};
use crate::process::{Running, event};

#[test]
fn four_fetchers_take_less_than_two_files_from_one_slow_seeder() {
    let _alone = alone();
    let model = Model::of("48MiB");
    let home = Home::new();
    let seeder = model.seed(&home, &["--up", "8MiB", "--json"]);
    let offer = seeder.offer();

    let fetchers = [(); 4].map(|()| Fetcher::of(&model));
    // The fetchers know nothing but the offer: the manifest, too, comes from the seeder.
    let line = ["fetch", "--offer", &offer, "-o", "out", "--listen", "127.0.0.1:0"];
    let consent = ["--consent", "fetch,import,serve,publish"];
    let running =
        fetchers.each_ref().map(|fetcher| Running::start(&mut fetcher.command(line.iter().chain(&consent))));
    for (fetcher, running) in fetchers.iter().zip(running) {
        assert_eq!(running.end().exits(0).stdout, fetcher.answer());
        fetcher.has_it_all();
    }

    let sent = event(&seeder.stop().stdout, "stopped")["sent_bytes"].as_u64().unwrap();
    let ratio = sent as f64 / model.manifest.byte_count() as f64;
    println!("the seeder sent {ratio:.2} times the file");
    assert!((1.0..2.0).contains(&ratio), "the seeder sent {ratio:.2} times the file");
}
