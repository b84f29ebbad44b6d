//! The companion's page in a real browser, with real companions behind it.

mod driver;
mod story;
mod views;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json};

use self::driver::{Browser, is_here};
use super::house::House;
use crate::process::events;

/// Ticks the boxes of a question that begin with these words.
fn tick(browser: &Browser, actions: &[&str]) {
    for action in actions {
        browser.click(&browser.find(&format!("//label[starts-with(normalize-space(.), '{action}')]")));
    }
}

/// Agrees to these actions, and waits until the page has gone on to the transfer: a test that went elsewhere before would be
/// taken back.
fn agree(browser: &Browser, actions: &[&str]) {
    tick(browser, actions);
    browser.press("Agree");
    browser.until("the transfer", |_| browser.url().contains("#/transfers/"));
}

/// Begins a session in this browser by the code of `minimodel open`.
fn log_in(browser: &Browser, house: &House) {
    let url = house.home.say("open --print").exits(0).stdout;
    browser.open(url.trim());
    browser.until("logged in", |text| text.contains("Nothing is here yet") || text.contains("Models"));
    assert!(!browser.url().contains(url.trim().split('#').nth(1).unwrap()), "the code left the address");
}

/// Goes to a view.
fn go(browser: &Browser, view: &str) {
    browser.run("location.hash = arguments[0]", &json!([format!("#/{view}")]));
}

/// What the console complained of, but for answers that are no success.
fn complaints(browser: &Browser) -> Vec<String> {
    let all = browser.log("browser").into_iter();
    let said = all.filter(|entry| entry["source"] != "network").map(|entry| entry["message"].to_string());
    said.collect()
}

/// Asserts that the browser asked this machine alone.
fn asked_loopback_alone(browser: &Browser) {
    for entry in browser.log("performance") {
        let message: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
        let Some(url) = message["message"]["params"]["request"]["url"].as_str() else { continue };
        // The first tab of a new profile shows the browser's own page, parts of which are of the scheme `chrome-untrusted`.
        let host = url.strip_prefix("http://").and_then(|rest| rest.split(['/', ':']).next());
        let is_here = host.is_some_and(|host| host.ends_with(".localhost"))
            || ["data:", "chrome:", "chrome-untrusted:"].iter().any(|begin| url.starts_with(begin));
        assert!(is_here, "{url}");
    }
}

#[test]
fn page_fetches_after_each_box_is_ticked_and_shows_the_receipt() {
    if !is_here() {
        return;
    }
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let browser = Browser::start();
    log_in(&browser, &bob);
    go(&browser, "transfers/add");
    browser.type_into(&browser.find("//textarea"), &offer);
    browser.press("Show what it is");
    browser.until("asking", |text| text.contains("Each action by itself"));
    assert_eq!(
        browser.run("return document.querySelectorAll(':checked[type=checkbox]').length", &json!([])),
        0
    );
    assert_eq!(bob.transfers()[0]["state"], "asking", "nothing was dialed");
    agree(&browser, &["fetch", "import", "cache"]);
    let done = bob.transfer_when(1, "done", |fetch| fetch["state"] == "done");
    let file = std::fs::read(done["path"].as_str().unwrap()).unwrap();
    assert!(file == alice.home.read("a.slm"));
    let log = bob.home.say("--json consent list --all").exits(0);
    let by: Vec<Value> = events(&log.stdout, "grant").map(|grant| grant["by"].clone()).collect();
    assert_eq!(by, [json!("page"), json!("page"), json!("page")]);
    go(&browser, "records");
    browser.click(&browser.find("//a[starts-with(normalize-space(.), 'sample-model')]"));
    browser.until("the receipt", |text| text.contains("Bytes by peer") && text.contains("artifact.sha256"));
    asked_loopback_alone(&browser);
    assert_eq!(complaints(&browser), Vec::<String>::new());
}

#[test]
fn page_shares_a_file_that_two_presses_choose() {
    if !is_here() {
        return;
    }
    let house = House::with_artifact();
    let browser = Browser::start();
    log_in(&browser, &house);
    go(&browser, "sharing/add");
    browser.until("the command", |text| text.contains("minimodel companion folders add PATH"));
    let added = house.home.say("companion folders add .").exits(0).stdout;
    let folder = added.trim_end();
    // The form is opened anew.
    browser.press("Close the form");
    browser.press("Share a file of yours");
    browser.press(folder);
    let under = browser.until("the folder", |text| text.contains("a.slm"));
    assert!(under.contains(&format!("choose it in {folder}:")), "{under}");
    let focused = browser.run("return document.activeElement.textContent", &json!([]));
    assert!(focused.as_str().unwrap().contains(folder), "the focus went with the list: {focused}");
    browser.click(&browser.find("//button[starts-with(normalize-space(.), 'a.slm ')]"));
    browser.find("//button[starts-with(normalize-space(.), 'a.slm ') and @aria-pressed='true']");
    browser.until("its manifest", |text| text.contains("a.minimodel beside the file was read"));
    browser.press("Show what is asked");
    browser.until("asking", |text| text.contains("Each action by itself"));
    let asking = house.transfer_when(1, "asking", |share| share["state"] == "asking");
    assert_eq!(asking["path"], format!("{folder}/a.slm"));
    asked_loopback_alone(&browser);
    assert_eq!(complaints(&browser), Vec::<String>::new());
}

#[test]
fn page_shares_seven_tabs_and_says_when_its_session_ends() {
    if !is_here() {
        return;
    }
    let house = House::with_artifact();
    house.share(&[]);
    let browser = Browser::start();
    log_in(&browser, &house);
    let page = browser.url();
    // More tabs than a browser opens connections to one host: one of them streams for all.
    for _ in 0..7 {
        browser.new_tab();
        browser.open(&page);
        // It asks the others for the session.
        browser.until("logged in", |text| text.contains("Sharing") && text.contains("Health"));
        go(&browser, "sharing");
        browser.until("the share", |text| text.contains("Who can reach this machine"));
    }
    house.home.say("transfer pause 1").exits(0);
    browser.until("paused", |text| text.contains("aused"));
    house.home.say("companion sessions revoke --all").exits(0);
    browser.until("its end", |text| text.contains("minimodel open"));
    assert_eq!(complaints(&browser), Vec::<String>::new());
}

/// Answers each request at this port as a program would that knows nothing of sessions, until the test ends.
fn stranger(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let body = r#"{"transfers":[],"pid":1}"#;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ";
    let answer = format!("{head}{}\r\n\r\n{body}", body.len());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
}

#[test]
fn open_tab_believes_no_other_program_at_the_port() {
    if !is_here() {
        return;
    }
    let mut house = House::with_artifact();
    house.share(&[]);
    let browser = Browser::start();
    log_in(&browser, &house);
    go(&browser, "sharing");
    browser.until("the share", |text| text.contains("Who can reach this machine"));
    let port = browser.url().rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
    house.kill();
    stranger(port);
    browser.until("told", |text| text.contains("something else answers at this address"));
    assert!(!browser.text().contains("Who can reach this machine"));
}
