//! Two users, each at the page of their own companion: one shares and stops, the other fetches; and the same by keys alone.

use std::fs;

use serde_json::Value;

use super::super::house::House;
use super::super::version::Version;
use super::driver::{Browser, is_here};
use super::{agree, complaints, go, log_in};
use crate::home::Home;
use crate::process::{Running, events};

/// The Tab key, Enter and the space bar (W3C WebDriver section 17.4.2).
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';
const SPACE: char = '\u{e00d}';

/// A model of some 60 chunks of 16 KiB in the library of a house.
fn with_model() -> House {
    let house = House::new();
    Version::about(1_000_000, "m", "1", 3).write(&house.home, "m");
    house.home.say("library add m.minimodel m.slm").exits(0);
    house
}

/// The offer that the page shows.
fn offer(browser: &Browser) -> String {
    let is_offer = |word: &&str| word.starts_with("mm1") && word.len() > 100;
    let text = browser.until("an offer", |text| text.split_whitespace().any(|word| is_offer(&word)));
    text.split_whitespace().find(is_offer).unwrap().to_owned()
}

/// The chunks that the page shows as proven.
fn proven(text: &str) -> Option<u32> {
    let (before, _) = text.split_once(" chunks proven")?;
    before.lines().last()?.split(' ').next()?.parse().ok()
}

#[test]
fn one_shares_and_stops_at_once_while_the_other_fetches() {
    if !is_here() {
        return;
    }
    let (alice, bob) = (with_model(), House::new());
    let browser = Browser::start();
    let at_alice = browser.tab();
    log_in(&browser, &alice);
    go(&browser, "sharing");
    browser.press("Share");
    browser.until("the question", |text| text.contains("Each action by itself"));
    agree(&browser, &["serve"]);
    let share = alice.transfers()[0]["id"].as_u64().unwrap();
    go(&browser, &format!("sharing/{share}"));
    let line = offer(&browser);
    browser.find("//*[local-name()='svg' and contains(@aria-label, 'QR')]");
    alice.home.say(&format!("limits set --transfer {share} --up 64KiB")).exits(0);

    let at_bob = browser.new_tab();
    log_in(&browser, &bob);
    go(&browser, "transfers/add");
    browser.type_into(&browser.find("//textarea"), &line);
    browser.press("Show what it is");
    browser.until("the first question", |text| text.contains("Each action by itself"));
    agree(&browser, &["fetch", "import", "cache"]);
    let fetch = bob.transfers()[0]["id"].as_u64().unwrap();
    go(&browser, &format!("transfers/{fetch}"));
    let before = proven(&browser.until("the map", |text| proven(text).is_some()));
    browser.until("more proven chunks", |text| proven(text) > before.map(|before| before + 2));

    browser.go_to_tab(&at_alice);
    browser.press("Stop at once");
    browser.until("stopped", |text| text.contains("Paused"));
    browser.go_to_tab(&at_bob);
    browser.until("why nothing moves", |text| text.contains("no connected peer has what is missing"));
    alice.home.say(&format!("limits set --transfer {share} --up none")).exits(0);
    browser.go_to_tab(&at_alice);
    browser.press("Share again");
    browser.go_to_tab(&at_bob);
    browser.until("done", |text| text.contains("checked and in place"));
    assert!(
        std::fs::read(bob.transfer(fetch)["path"].as_str().unwrap()).unwrap() == alice.home.read("m.slm")
    );
    go(&browser, "records");
    browser.click(&browser.find("//a[starts-with(normalize-space(.), 'm 1')]"));
    browser.until("the receipt", |text| text.contains("Bytes by peer"));
    assert_eq!(complaints(&browser), Vec::<String>::new());
}

#[test]
fn demo_is_watched_and_steered_in_the_browser() {
    if !is_here() {
        return;
    }
    let home = Home::new();
    fs::create_dir(home.path("tmp")).unwrap();
    let mut command = home.command(["demo", "--page", "--print", "--json"]);
    let demo = Running::start(command.env("TMPDIR", home.path("tmp")));
    let urls = demo.wait_for_stdout("two pages", |text| {
        let urls: Vec<_> =
            events(text, "page").map(|page| page["url"].as_str().unwrap().to_owned()).collect();
        <[String; 2]>::try_from(urls).ok()
    });
    let browser = Browser::start();
    let at_bob = browser.tab();
    browser.open(&urls[0]);
    browser.until("whose page it is", |text| text.contains("Demo: Bob. Made up"));
    go(&browser, "requests");
    browser
        .until("the question", |text| text.contains("Each action by itself") && text.contains("demo-alice"));
    agree(&browser, &["fetch", "import"]);
    browser.new_tab();
    browser.open(&urls[1]);
    browser.until("whose page it is", |text| text.contains("Demo: Alice. Made up"));
    go(&browser, "sharing/1");
    browser.press("Stop at once");
    browser.until("stopped", |text| text.contains("Paused"));
    browser.go_to_tab(&at_bob);
    go(&browser, "transfers/1");
    browser.until("why nothing moves", |text| text.contains("no connected peer has what is missing"));
    assert_eq!(complaints(&browser), Vec::<String>::new());
}

#[test]
fn page_says_that_its_companion_ended_and_finds_no_other() {
    if !is_here() {
        return;
    }
    let mut house = with_model();
    let browser = Browser::start();
    log_in(&browser, &house);
    let before = browser.url();
    house.stop().exits(0);
    browser.until("its end", |text| text.contains("minimodel companion start, then minimodel open"));
    house.start();
    log_in(&browser, &house);
    go(&browser, "models");
    let host = |url: &str| url.split('/').nth(2).unwrap().to_owned();
    assert_ne!(host(&before), host(&browser.url()));
    browser.until("the library", |text| text.contains("1 version"));
}

/// Where the focus is: text of the element, and whether a mark of it is drawn.
fn focused(browser: &Browser) -> (String, bool) {
    let script = "const it = document.activeElement, style = getComputedStyle(it); \
                  const label = it.closest('label') ?? document.querySelector(`label[for='${it.id || 0}']`); \
                  return [(it === document.body ? 'BODY' : it.ariaLabel || it.innerText || label?.innerText || it.tagName).trim(), \
                  style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0]";
    let found = browser.run(script, &Value::Array(Vec::new()));
    (found[0].as_str().unwrap().to_owned(), found[1].as_bool().unwrap())
}

/// Presses Tab until what has the focus begins with `label`; every stop on the way shows that it has it.
#[track_caller]
fn tab_to(browser: &Browser, label: &str) {
    let mut seen = Vec::new();
    for _ in 0..80 {
        browser.keys(&TAB.to_string());
        let (text, is_drawn) = focused(browser);
        assert!(is_drawn || text == "BODY", "no mark of the focus at {text:?}");
        if text.starts_with(label) {
            return;
        }
        seen.push(text);
    }
    panic!("no {label:?} among {seen:?}");
}

#[test]
fn keys_alone_fetch_a_model_and_nothing_is_agreed_to_unasked() {
    if !is_here() {
        return;
    }
    let (alice, bob) = (House::with_artifact(), House::new());
    let line = alice.share(&[]);
    let browser = Browser::start();
    log_in(&browser, &bob);
    tab_to(&browser, "Transfers");
    browser.keys(&ENTER.to_string());
    tab_to(&browser, "Fetch");
    browser.keys(&ENTER.to_string());
    browser.until("the form", |text| text.contains("Show what it is"));
    tab_to(&browser, "Offer");
    browser.type_into(&browser.find("//textarea"), &line);
    tab_to(&browser, "Show what it is");
    browser.keys(&ENTER.to_string());
    browser.until("the question", |text| text.contains("Each action by itself"));
    // Enter and the space bar where the focus is do nothing, and no box or button has it.
    let (at, _) = focused(&browser);
    assert!(!["fetch", "import", "cache", "serve", "Agree"].iter().any(|word| at.starts_with(word)), "{at}");
    browser.keys(&format!("{ENTER}{SPACE}"));
    assert_eq!(bob.transfers()[0]["state"], "asking");
    for action in ["fetch", "import", "cache"] {
        tab_to(&browser, action);
        browser.keys(&SPACE.to_string());
    }
    // The buttons are inactive for a second after what they agree to is seen.
    browser.find("//button[normalize-space(.)='Agree' and not(@disabled)]");
    tab_to(&browser, "Agree");
    browser.keys(&ENTER.to_string());
    bob.transfer_when(1, "done", |fetch| fetch["state"] == "done");
    assert_eq!(complaints(&browser), Vec::<String>::new());
}
