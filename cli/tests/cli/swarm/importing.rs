//! Other ways to import: an offer alone, a request, and a file that is already there.

use std::fs;

use minimodel::Link;
use minimodel_verifier::digest::tagged;
use minimodel_wire::SignedOffer;
use serde_json::json;

use super::model::{Fetcher, Model};
use crate::home::Home;
use crate::process::{Running, ask, event};

#[test]
fn fetch_by_offer_alone_gets_manifest_from_peer_and_keeps_it() {
    let model = Model::of("4MiB");
    let (home, fetcher) = (Home::new(), Fetcher::of(&model));
    let seeder = model.seed(&home, &[]);
    let offer = seeder.offer();
    let line = ["fetch", "--offer", &offer, "-o", "out", "--consent", "fetch,import"];
    let ran = Running::start(&mut fetcher.command(line)).end().exits(0);
    assert_eq!(ran.stdout, fetcher.answer());
    fetcher.has_it_all();
    // Shown before any byte of the model was requested.
    for shown in ["tests", "/license.txt", "not claimed"] {
        assert!(ran.stderr.contains(shown), "{shown} is not in: {}", ran.stderr);
    }
}

#[test]
fn link_or_list_of_two_peers_is_fetched_from_both() {
    let model = Model::of("4MiB");
    let homes = [Home::new(), Home::new()];
    let seeders = homes.each_ref().map(|home| model.seed(home, &["--up", "2MiB"]));
    let offers = seeders.each_ref().map(|seeder| seeder.offer().parse::<SignedOffer>().unwrap());
    let link = Link::new(offers.to_vec(), Some("moved \u{202e}1.0")).unwrap().to_string();
    let list = format!("# who has it\n{}\n\n{}\n", offers[0], offers[1]);
    let by_link = Fetcher::of(&model);
    let mut line = by_link.command(["fetch", "--offer", &link, "-o", "out", "--consent", "fetch,import"]);
    let ran = Running::start(&mut line).end().exits(0);
    let by_list = Fetcher::of(&model);
    fs::write(by_list.path("list"), list).unwrap();
    let mut line = by_list.command(["fetch"]);
    line.arg(model.manifest_path()).args(["--peer", "-", "-o", "out", "--consent", "fetch,import"]);
    line.stdin(fs::File::open(by_list.path("list")).unwrap());
    Running::start(&mut line).end().exits(0);
    for fetcher in [&by_link, &by_list] {
        fetcher.has_it_all();
        assert_eq!(fetcher.receipt().import().peers.len(), 2);
    }
    assert!(!ran.stderr.contains('\u{202e}'), "a name steers the terminal");
    let shown = homes[0].run(["inspect", &link]).exits(0).stdout;
    assert!(shown.contains("by the link, which anyone can write") && shown.contains(&seeders[1].peer()));
    let forged = link.replace("&o=mm1", "&o=mm1a");
    homes[0].run(["fetch", "--offer", &forged, "-o", "x", "--consent", "fetch,import"]).exits(10);
}

#[test]
fn import_peer_request_matching_its_manifest_is_fetched() {
    let model = Model::of("4MiB");
    let (home, fetcher) = (Home::new(), Fetcher::of(&model));
    let seeder = model.seed(&home, &[]);
    let request = json!({
        "request_version": 0,
        "kind": "minimodel.import-peer-request",
        "model_id": "moved",
        "byte_count": model.manifest.byte_count(),
        "artifact_sha256": tagged(model.manifest.artifact_sha256()),
        "offers": [seeder.offer()],
        "consent": ["fetch", "import"],
    });
    fs::write(fetcher.path("request.json"), request.to_string()).unwrap();
    let mut line = fetcher.command(["import-peer-request", "request.json"]);
    line.arg(model.manifest_path()).args(["out", "--consent", "fetch,import"]);
    let ran = Running::start(&mut line).end().exits(0);
    assert_eq!(ran.stdout, fetcher.answer());
    fetcher.has_it_all();
    let receipt = fetcher.receipt();
    assert_eq!(receipt.import().peers[0].id, seeder.peer());
    let by: Vec<_> = receipt.import().consents.iter().map(|consent| consent.action.as_str()).collect();
    assert_eq!(by, ["fetch", "import"]);
}

/// A request file of a stranger names more actions than an import: only those that the answer names are done.
// Rows: H7, I5
#[test]
fn a_request_is_asked_on_a_terminal_as_a_fetch_is() {
    let model = Model::of("1MiB");
    let (home, seeding) = (Home::new(), Home::new());
    let seeder = model.seed(&seeding, &[]);
    fs::copy(model.manifest_path(), home.path("model.minimodel")).unwrap();
    let request = json!({
        "request_version": 0,
        "kind": "minimodel.import-peer-request",
        "model_id": "moved",
        "byte_count": model.manifest.byte_count(),
        "artifact_sha256": tagged(model.manifest.artifact_sha256()),
        "offers": [seeder.offer()],
        "consent": ["fetch", "import", "serve", "publish"],
    });
    fs::write(home.path("request.json"), request.to_string()).unwrap();
    let line = ["import-peer-request", "request.json", "model.minimodel", "out"];
    for words in ["no", "yes publish", "yes cache", "y", ""] {
        let (_, refused) = ask(&home, &line, &[words]);
        assert_eq!(refused.fate().status.code(), Some(5), "{words:?}");
        assert!(!home.path("out").exists() && !home.own("").exists(), "{words:?}");
    }
    let (asked, ran) = ask(&home, &line, &["yes serve"]);
    assert_eq!(ran.fate().status.code(), Some(0));
    assert_eq!(asked, ["Type yes, yes serve or yes serve publish"]);
    let log = fs::read_to_string(home.own("state/consent.log")).unwrap();
    let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!((&line["actions"], &line["by"]), (&json!(["fetch", "import", "serve"]), &json!("prompt")));
}

// Rows: E11, E18
#[test]
fn finished_file_needs_no_peer_and_gets_its_missing_receipt() {
    let model = Model::of("4MiB");
    let (home, fetcher) = (Home::new(), Fetcher::of(&model));
    let seeder = model.seed(&home, &[]);
    let offer = seeder.offer();
    fetcher.run(&[&offer], &[]).exits(0);
    seeder.stop().exits(0);
    let receipt = fs::read(fetcher.receipt_path()).unwrap();

    // The same command line, and one without a peer.
    for offers in [vec![offer.as_str()], vec![]] {
        let ran = fetcher.run(&offers, &[]).exits(0);
        assert_eq!(ran.stdout, fetcher.answer());
        assert!(ran.stderr.contains("already here, and every check passed"), "{}", ran.stderr);
        assert_eq!(fs::read(fetcher.receipt_path()).unwrap(), receipt);
    }
    let ran = fetcher.run(&[], &["--json"]).exits(0);
    assert_eq!(event(&ran.stdout, "already-here")["path"], fetcher.answer().trim_end());

    fs::remove_file(fetcher.receipt_path()).unwrap();
    assert_eq!(fetcher.run(&[], &[]).exits(0).stdout, fetcher.answer());
    assert!(fetcher.has_it().import().peers.is_empty(), "who supplied it is not known any more");
}
