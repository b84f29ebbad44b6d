//! A mirror: it fetches, serves on within its quota, and does so again after a restart.

use super::model::{Fetcher, Model};
use super::seeder::Seeder;
use crate::process::{Running, event, events};

const CONSENT: [&str; 2] = ["--consent", "fetch,import,serve,publish"];

/// `mirror` in the place of `fetch`, with this offer file.
fn mirror(fetcher: &Fetcher<'_>, offers: &[&str], out: &str, more: &[&str]) -> Running {
    let line = fetcher.line(offers, more);
    let arguments = line.get_args().skip_while(|argument| *argument != "fetch").skip(1);
    let mut command = fetcher.command(["mirror"]);
    command.args(arguments).args(["--json", "--offer-out", out]).env("MINIMODEL_LISTEN", "127.0.0.1:0");
    Running::start(command.args(CONSENT))
}

#[test]
fn mirror_serves_what_it_fetched_also_after_a_restart() {
    let model = Model::of("2MiB");
    let (alice, bob, carol) = (Fetcher::of(&model), Fetcher::of(&model), Fetcher::of(&model));
    let seeder = Seeder::honest(&model, 64 << 20);
    let running = mirror(&alice, &[seeder.offer()], "first", &[]);
    running.wait_for_event("done");
    drop(seeder);
    let offer = std::fs::read_to_string(alice.path("first")).unwrap();
    bob.run(&[offer.trim()], &[]).exits(0);
    bob.has_it_all();
    running.signal(rustix::process::Signal::INT);
    running.end().exits(0);

    // The file is there: it is served within the quota, and then nobody is.
    let running = mirror(&alice, &[], "second", &["--quota", "2500KiB"]);
    running.wait_for_event("offer");
    let offer = std::fs::read_to_string(alice.path("second")).unwrap();
    carol.run(&[offer.trim()], &[]).exits(0);
    carol.has_it_all();
    let late = Fetcher::of(&model);
    let ran = late.run(&[offer.trim()], &["--json"]).exits(12);
    assert_eq!(event(&ran.stdout, "peer-refused")["reason"], "budget used");
    running.signal(rustix::process::Signal::INT);
    let said = running.end().exits(0);
    assert!(said.stderr.contains("serving on until Ctrl-C"), "{}", said.stderr);
    assert_eq!(events(&said.stdout, "peer-refused").count(), 0);
}

#[test]
fn mirror_needs_the_consent_to_be_found() {
    let model = Model::of("100KiB");
    let alice = Fetcher::of(&model);
    let mut command = alice.command(["mirror"]);
    command.arg(model.manifest_path()).args(["-o", "out", "--consent", "fetch,import,serve"]);
    let ran = Running::start(&mut command).end().exits(5);
    assert!(ran.stderr.contains("needs consent to publish"), "{}", ran.stderr);
    assert!(!alice.path("out").exists());
}
