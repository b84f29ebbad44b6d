//! What is on record, as the local interface gives it: receipts, bans, publishers, and offers to hand on.

use std::fs;

use serde_json::{Value, json};

use super::house::House;
use super::http::Http;
use crate::process::events;

#[test]
fn receipt_of_a_fetch_is_listed_whole_and_told_when_it_is_gone() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let fetch = bob.fetch(&["--offer", &offer, "--out", "models", "--consent", "fetch,import"]);
    let done = bob.transfer_when(fetch, "done", |fetch| fetch["state"] == "done");
    let http = Http::of(&bob.home);
    let listed = http.ask("GET /v1/receipts").is(200).json();
    let [line] = listed.as_array().unwrap().as_slice() else { panic!("{listed:#}") };
    assert_eq!(
        (&line["ok"], &line["path"], &line["bytes"]),
        (&json!(true), &done["path"], &done["total_bytes"])
    );
    let path = format!("GET /v1/receipts/{}", line["id"].as_str().unwrap());
    let receipt = http.ask(&path).is(200).json();
    let file = done["receipt"].as_str().unwrap();
    assert_eq!(receipt["text"], fs::read_to_string(file).unwrap());
    assert_eq!(receipt["receipt"]["peers"][0]["bytes"], done["total_bytes"]);
    assert!(receipt["receipt"]["checks"].as_array().unwrap().len() > 60);
    // A receipt that was changed is listed as not valid, and not shown as one.
    fs::write(file, "receipt.version=0\n").unwrap();
    assert_eq!(http.ask("GET /v1/receipts").is(200).json()[0]["ok"], false);
    http.ask(&path).is(422);
    fs::remove_file(file).unwrap();
    assert_eq!(http.ask("GET /v1/receipts").is(200).json()[0]["ok"], false);
    assert!(http.ask(&path).json()["error"].as_str().unwrap().contains(file));
    for id in ["transfer-99", "..%2F..%2Fetc%2Fpasswd", "%00"] {
        http.ask(&format!("GET /v1/receipts/{id}")).is(404);
    }
}

#[test]
fn publishers_are_listed_pinned_and_forgotten_as_by_the_verb() {
    let house = House::new();
    let http = Http::of(&house.home);
    assert_eq!(http.ask("GET /v1/publishers").is(200).json(), json!([]));
    let key = format!("ed25519:{}", "0baa40f7d818fb180116dc502d0b2e823b15f1b5b8b8fa53611e71c567c98437");
    http.change("PUT /v1/publishers/alice/pin", &json!({})).is(404);
    http.change("PUT /v1/publishers/alice/pin", &json!({"key": "ed25519:00"})).is(422);
    let pinned = http.change("PUT /v1/publishers/alice/pin", &json!({"key": key})).is(200).json();
    assert_eq!((&pinned["id"], &pinned["pinned"]), (&json!("alice"), &json!(key)));
    let known = house.home.say("--json publisher list").exits(0);
    assert_eq!(events(&known.stdout, "known-publisher").next().unwrap()["pinned"], key);
    assert_eq!(http.ask("GET /v1/publishers").is(200).json(), json!([pinned]));
    http.ask("DELETE /v1/publishers/alice").is(204);
    http.ask("DELETE /v1/publishers/alice").is(404);
    assert_eq!(house.home.say("publisher list").exits(0).stdout, "");
}

#[test]
fn bans_are_listed_and_lifted_one_by_one() {
    let house = House::new();
    let http = Http::of(&house.home);
    let peer = house.peer();
    let now = minimodel::clock::now_unix();
    let ban = |swarm: &str, model: &str| {
        json!({"version": 0, "peer": peer, "swarm_id": swarm.repeat(32), "model": model, "verb": "fetch",
            "reason": "bad chunk", "chunk": 3, "expected": null, "got": null, "at_unix": now, "until_unix": now + 3_600})
    };
    let path = house.home.own("state/blame.jsonl");
    fs::write(&path, format!("{}\n{}\n", ban("5e", "a 1"), ban("6f", "<img src=x> 2"))).unwrap();
    let bans: Vec<Value> = http.ask("GET /v1/blame").is(200).json().as_array().unwrap().clone();
    let models: Vec<_> = bans.iter().map(|ban| ban["model"].as_str().unwrap()).collect();
    assert_eq!(models, ["<img src=x> 2", "a 1"], "the newest first");
    assert!(bans.iter().all(|ban| ban["active"] == true && ban["chunk"] == 3));
    http.ask("DELETE /v1/blame/none").is(404);
    http.ask(&format!("DELETE /v1/blame/{}", bans[0]["id"].as_str().unwrap())).is(204);
    assert_eq!(http.ask("GET /v1/blame").is(200).json(), json!([bans[1]]));
    assert!(house.home.say("blame list").exits(0).stdout.contains("a 1"));
}

#[test]
fn offer_is_given_as_text_line_and_picture_while_it_is_served() {
    let alice = House::with_artifact();
    let offer = alice.share(&["--advertise", "192.0.2.7:4000,10.0.0.1:4000,[2606:4700::1]:4000"]);
    let http = Http::of(&alice.home);
    let id = alice.transfers()[0]["id"].as_u64().unwrap();
    let told = http.ask(&format!("GET /v1/transfers/{id}/offer")).is(200).json();
    assert_eq!(
        (&told["offer"], &told["command"]),
        (&json!(offer), &json!(format!("minimodel fetch --offer {offer} --out .")))
    );
    let scopes: Vec<_> =
        told["addresses"].as_array().unwrap().iter().map(|it| it["scope"].as_str().unwrap()).collect();
    assert_eq!(scopes, ["nowhere", "private", "public"]);
    let picture = http.ask(&format!("GET /v1/transfers/{id}/offer.svg")).is(200);
    assert!(picture.head.contains("content-type: image/svg+xml\r\n"), "{}", picture.head);
    assert!(
        picture.body.starts_with("<svg ")
            && !picture.body.contains("style")
            && picture.body.contains("h1v1h-1z")
    );
    alice.home.say(&format!("transfer pause {id}")).exits(0);
    alice.transfer_when(id, "paused", |share| share["offer"].is_null());
    http.ask(&format!("GET /v1/transfers/{id}/offer")).is(404);
    http.ask(&format!("GET /v1/transfers/{id}/offer.svg")).is(404);
    http.ask("GET /v1/transfers/99/offer").is(404);
}
