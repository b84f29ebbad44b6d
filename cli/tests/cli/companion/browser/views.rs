//! Each view, with text from outside that means harm, in two themes and two widths: nothing runs, nothing overflows, and axe-core
//! finds no barrier. With `MINIMODEL_PICTURES` set to a folder, pictures of all are put there.

use std::path::PathBuf;

use minimodel_companion::Service as _;
use minimodel_companion::client::Client;
use minimodel_companion::model::NewFetch;
use minimodel_skipped::walk;
use minimodel_verifier::digest::hex;
use minimodel_verifier::sha256;
use serde_json::{Value, json};

use super::super::house::House;
use super::super::version::Version;
use super::driver::{Browser, is_here};
use super::{asked_loopback_alone, complaints, go, log_in};

/// SHA-256 of `axe.min.js` of axe-core 4.14.1, which `MINIMODEL_AXE` leads to.
const AXE: &str = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c";

/// The views, each with text that it shows once it is there. `{model}` and the like stand for numbers.
const VIEWS: [(&str, &str); 16] = [
    ("models", "Filter"),
    ("models/{model}", "License"),
    ("models/add", "Check and add"),
    ("transfers", "slow 2"),
    ("transfers/{fetch}", "chunks proven"),
    ("transfers/add", "Show what it is"),
    ("sharing", "Who can reach"),
    ("sharing/{share}", "Share again"),
    ("sharing/add", "Show what is asked"),
    ("requests/{question}", "Each action by itself"),
    ("records", "m 1"),
    ("records/blame", "blame"),
    ("records/consent", "fetch"),
    ("records/publishers", "ublisher"),
    ("settings", "Upload"),
    ("health", "reach"),
];

/// The script of axe-core, if this machine has it.
fn axe() -> Option<String> {
    let Some(path) = std::env::var_os("MINIMODEL_AXE") else {
        minimodel_skipped::skipped(
            "barriers in the page: set MINIMODEL_AXE to axe.min.js of axe-core 4.14.1",
        );
        return None;
    };
    let script = std::fs::read(path).unwrap();
    assert_eq!(hex(&sha256(&script)), AXE, "this is no axe-core 4.14.1");
    Some(String::from_utf8(script).unwrap())
}

/// The barriers that axe-core finds.
fn barriers(browser: &Browser, axe: &str) -> Vec<String> {
    // A policy of the page does not bind scripts of the driver; axe-core is put into its own world each time.
    let script = format!(
        "{axe}; return axe.run(document, {{resultTypes: ['violations']}}).then((found) => \
         found.violations.map((it) => `${{it.id}}: ${{it.nodes.map((node) => node.html).join(' | ')}}`))"
    );
    let found = browser.run(&script, &json!([]));
    found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// A house whose companion has something for each view: a model, a running fetch, a share that is paused, a question.
fn furnished(alice: &House) -> House {
    let bob = House::new();
    let fetched = Version::about(61_000, "m", "1", 1);
    let slow = Version::about(4_000_000, "slow", "2", 2);
    let evil = "<img src=x onerror=alert(1)>";
    let asked = Version::of("asked", "3", 3)
        .with("license.spdx", "MIT")
        .with("x.note", &format!("{evil}{}", "z".repeat(300)));
    for (version, stem) in [(&fetched, "m"), (&slow, "slow"), (&asked, "asked")] {
        version.write(&alice.home, stem);
    }
    let offers = [
        alice.share_of("m", &["--consent", "serve"]),
        alice.share_of("slow", &["--consent", "serve", "--up", "24KiB"]),
        alice.share_of("asked", &["--consent", "serve"]),
    ];
    for stem in ["m", "slow", "asked"] {
        bob.home.write(format!("{stem}.minimodel"), alice.home.read(format!("{stem}.minimodel")));
    }
    let first = bob.fetch(&["m.minimodel", "--peer", &offers[0], "--consent", "fetch,import,cache"]);
    bob.transfer_when(first, "done", |fetch| fetch["state"] == "done");
    // Files whose names say more than they should.
    let folder = format!("{evil}\u{202e}gpj\u{301}\u{301}\u{301}{}", "w".repeat(120));
    std::fs::create_dir(bob.home.path(&folder)).unwrap();
    bob.fetch(&["slow.minimodel", "--peer", &offers[1], "--out", &folder, "--consent", "fetch,import"]);
    let own = Version::about(45_000, "own", "1", 9);
    own.write(&bob.home, "own");
    let (path, manifest) = (format!("{folder}/own.slm"), "own.minimodel");
    std::fs::rename(bob.home.path("own.slm"), bob.home.path(&path)).unwrap();
    bob.home.run(["seed", "--detach", "--consent", "serve", manifest, &path]).exits(0);
    let share = bob.transfers().last().unwrap()["id"].clone();
    bob.home.say(&format!("transfer pause {share}")).exits(0);
    // Rates above what moves here.
    for window in ["9-17 --days mon-fri --up 2MiB --down none", "22-7 --days fri,sat --up 1MiB --down 1MiB"] {
        bob.home.say(&format!("limits schedule add {window}")).exits(0);
    }
    let client = Client::find(&bob.home.own("state/companion")).unwrap().unwrap();
    let manifest = Some(String::from_utf8(bob.home.read("asked.minimodel")).unwrap());
    let (offers, out) = (vec![offers[2].clone()], Some(bob.home.path("other")));
    client.fetch(NewFetch { manifest, offers, out, ..NewFetch::default() }).unwrap();
    bob
}

#[test]
fn each_view_is_harmless_fits_and_has_no_barrier() {
    if !is_here() {
        return;
    }
    let (axe, pictures) = (axe(), std::env::var_os("MINIMODEL_PICTURES").map(PathBuf::from));
    let alice = House::new();
    let bob = furnished(&alice);
    let browser = Browser::start();
    log_in(&browser, &bob);
    let with = |what: &dyn Fn(&Value) -> bool| {
        bob.transfers().into_iter().find(|it| what(it)).map(|it| it["id"].to_string()).unwrap()
    };
    go(&browser, "models");
    browser.find("//a[starts-with(@href, '#/models/') and contains(., 'm 1')]");
    let script = "return [...document.querySelectorAll('a[href^=\"#/models/\"]')].find((it) => it.innerText.includes('m 1')).hash.split('/')[2]";
    let numbers = [
        ("{model}", browser.run(script, &json!([])).as_str().unwrap().to_owned()),
        ("{fetch}", with(&|it| it["model_id"] == "slow")),
        ("{share}", with(&|it| it["kind"] == "share")),
        ("{question}", with(&|it| it["state"] == "asking")),
    ];
    let mut faults = Vec::new();
    let looks = [(1280, "light"), (390, "dark"), (1280, "dark"), (390, "light")];
    for (width, theme) in looks.into_iter().take(walk(4, 2)) {
        browser.look(width, theme);
        for (view, shows) in VIEWS {
            let address = numbers.iter().fold(view.to_owned(), |all, (name, id)| all.replace(name, id));
            go(&browser, &address);
            let text = browser.until(view, |text| text.contains(shows));
            let name = format!("{} {width} {theme}", view.replace(['/', '{', '}'], "-"));
            assert!(!text.contains('\u{202e}'), "{name}: a mark that turns text around");
            let wide = browser.run("return document.documentElement.scrollWidth - innerWidth", &json!([]));
            if wide.as_i64().unwrap() > 0 {
                faults.push(format!("{name}: {wide} pixels wider than the window"));
            }
            assert_eq!(
                browser.run("return document.querySelectorAll('main img').length", &json!([])),
                0,
                "{name}"
            );
            let found = axe.as_ref().map_or_else(Vec::new, |axe| barriers(&browser, axe));
            faults.extend(found.into_iter().map(|one| format!("{name}: {one}")));
            if let Some(folder) = &pictures {
                std::fs::create_dir_all(folder).unwrap();
                std::fs::write(folder.join(format!("{name}.png").replace(' ', "-")), browser.picture())
                    .unwrap();
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    // The check can fail.
    browser.run("document.querySelector('main').append(document.createElement('img'))", &json!([]));
    if let Some(axe) = &axe {
        assert!(barriers(&browser, axe).iter().any(|one| one.starts_with("image-alt")));
    }
    asked_loopback_alone(&browser);
    assert_eq!(complaints(&browser), Vec::<String>::new());
    let policy: Vec<Value> =
        browser.log("browser").into_iter().filter(|it| it["source"] == "security").collect();
    assert_eq!(policy, Vec::<Value>::new());
}
