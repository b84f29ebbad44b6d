//! A grant that is revoked while bytes move.

use super::causes::with_model;
use super::house::House;

#[test]
fn share_stops_when_its_consent_is_revoked_and_resumes_on_grant() {
    let (alice, bob) = (House::of(with_model(4_000_000)), House::new());
    let offer = alice.share(&["--up", "4KiB"]);
    let id = alice.transfers()[0]["id"].as_u64().unwrap();
    let fetch = bob.fetch(&["--offer", &offer, "--out", "models", "--consent", "fetch,import"]);
    alice.transfer_when(id, "sending", |share| share["sent_bytes"].as_u64() > Some(0));
    let has_some = |fetch: &serde_json::Value| fetch["received_bytes"].as_u64() > Some(0);
    bob.transfer_when(fetch, "receiving", has_some);

    let grants = alice.home.say("--json consent list").exits(0).object();
    assert_eq!(grants["action"], "serve");
    alice.home.say(&format!("consent revoke {}", grants["id"])).exits(0);
    let share = alice.transfer_when(id, "waiting for consent", |share| share["cause"] == "consent-missing");
    assert_eq!((&share["state"], &share["offer"]), (&"waiting".into(), &serde_json::Value::Null));
    let is_alone = |fetch: &serde_json::Value| has_some(fetch) && fetch["cause"] == "no-source";
    let behind = bob.transfer_when(fetch, "without a source", is_alone);
    assert_ne!(behind["state"], "done");

    alice.home.say(&format!("limits set --transfer {id} --up none")).exits(0);
    assert_eq!(bob.transfer(fetch)["received_bytes"], behind["received_bytes"], "nothing is sent any more");
    let model = share["swarm_id"].as_str().unwrap();
    alice.home.run(["consent", "grant", "serve", "--model", model, "--consent", "serve"]).exits(0);
    let done = bob.transfer_when(fetch, "done", |fetch| fetch["state"] == "done");
    assert_eq!(std::fs::read(done["path"].as_str().unwrap()).unwrap(), alice.home.read("a.slm"));
}

#[test]
fn fetch_stops_when_its_consent_is_revoked_and_keeps_its_part() {
    let (alice, bob) = (House::of(with_model(4_000_000)), House::new());
    let offer = alice.share(&["--up", "100KiB"]);
    let fetch = bob.fetch(&["--offer", &offer, "--out", "models", "--consent", "fetch,import"]);
    let begun = bob.transfer_when(fetch, "fetching", |fetch| fetch["have_bytes"].as_u64() > Some(300_000));
    let grants = bob.home.say("--json consent list").exits(0);
    let grant =
        crate::process::events(&grants.stdout, "grant").find(|grant| grant["action"] == "fetch").unwrap();
    bob.home.say(&format!("consent revoke {}", grant["id"])).exits(0);
    let stopped = bob.transfer_when(fetch, "stopped", |fetch| fetch["cause"] == "consent-missing");
    assert_eq!(stopped["state"], "waiting");
    let part = bob
        .home
        .path("models")
        .read_dir()
        .unwrap()
        .any(|file| file.unwrap().file_name().to_string_lossy().ends_with(".part"));
    assert!(part, "what was proven stays");

    // Given again, the fetch goes on with what it had: only the rest comes.
    let share = alice.transfers()[0].clone();
    alice.home.say(&format!("limits set --transfer {} --up none", share["id"])).exits(0);
    let waiting = bob.transfer(fetch);
    assert_eq!(waiting["cause"], "consent-missing");
    let had = waiting["have_bytes"].as_u64().unwrap();
    assert!(had >= begun["have_bytes"].as_u64().unwrap() && had < waiting["total_bytes"].as_u64().unwrap());
    let model = share["swarm_id"].as_str().unwrap();
    bob.home.run(["consent", "grant", "fetch", "--model", model, "--consent", "fetch"]).exits(0);
    let done = bob.transfer_when(fetch, "done", |fetch| fetch["state"] == "done");
    assert_eq!(std::fs::read(done["path"].as_str().unwrap()).unwrap(), alice.home.read("a.slm"));
    // Chunks under way at the end count twice, and little else.
    let rest = done["total_bytes"].as_u64().unwrap() - had;
    let received = done["received_bytes"].as_u64().unwrap();
    assert!((rest..rest + 150_000).contains(&received), "{received} bytes for {rest}");
}
