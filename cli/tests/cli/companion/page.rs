//! `minimodel open` and `companion sessions`, with a program made for the test in the place of the one that starts browsers.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::house::House;
use super::http::Http;
use crate::home::Ran;
use crate::process::events;

const JSON: &str = "content-type: application/json\r\n";

/// Writes the program that starts browsers: it keeps its arguments in a file, and ends with this code.
fn browser(house: &House, code: u8) {
    fs::create_dir_all(house.home.path("bin")).unwrap();
    let kept = house.home.path("opened");
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > '{}'\nexit {code}\n", kept.display());
    house.home.write("bin/xdg-open", script);
    fs::set_permissions(house.home.path("bin/xdg-open"), Permissions::from_mode(0o755)).unwrap();
}

/// Runs `open` with these words where there is a screen and that program.
fn open(house: &House, words: &[&str]) -> Ran {
    let mut command = house.home.command([&["open"], words].concat());
    command.env("PATH", house.home.path("bin")).env("DISPLAY", ":0");
    Ran::of(command.output().unwrap())
}

/// Exchanges a code as the page does, and returns the header line of its session.
fn redeem(http: &Http, code: &str) -> String {
    let head = format!("host: {}\r\n{JSON}", http.address);
    let answer = http.raw("POST /v1/sessions", &head, &json!({"code": code}).to_string()).is(201).json();
    format!("host: {}\r\nauthorization: Bearer {}\r\n", http.address, answer["token"].as_str().unwrap())
}

/// The code in the fragment of the page's address, which has a name of its own.
fn code_in<'a>(http: &Http, url: &'a str) -> &'a str {
    let (name, rest) = url.trim_end().strip_prefix("http://").unwrap().split_once(':').unwrap();
    assert!(name.ends_with(".localhost"), "{url}");
    rest.strip_prefix(&format!("{}/#", http.address.port())).unwrap()
}

#[test]
fn open_starts_the_browser_with_a_code_that_is_good_once() {
    let house = House::new();
    let http = Http::of(&house.home);
    browser(&house, 0);
    let opened = open(&house, &[]).exits(0);
    assert_eq!(opened.stdout, "", "the code is for the browser");
    let url = house.home.read("opened");
    let url = String::from_utf8(url).unwrap();
    let code = code_in(&http, &url);
    let session = redeem(&http, code);
    http.raw("GET /v1/status", &session, "").is(200);
    // What a session agrees to is on record as the page's.
    let grant = json!({"consent": {"actions": ["serve"], "by": "flag"}}).to_string();
    http.raw("POST /v1/grants", &format!("{session}{JSON}"), &grant).is(201);
    let listed = house.home.say("--json consent list").exits(0);
    let given: Vec<Value> = events(&listed.stdout, "grant").collect();
    assert_eq!(given[0]["by"], "page");

    let sessions = house.home.say("companion sessions").exits(0);
    assert!(sessions.stdout.starts_with("1  since "), "{}", sessions.stdout);
    house.home.say("companion sessions revoke 2").exits(3);
    house.home.say("companion sessions revoke 1").exits(0);
    http.raw("GET /v1/status", &session, "").is(401);
    assert_eq!(house.home.say("companion sessions").exits(0).stdout, "");
}

#[test]
fn open_prints_where_no_browser_can_be_started() {
    let house = House::new();
    let http = Http::of(&house.home);
    browser(&house, 3);
    for ran in [open(&house, &[]), open(&house, &["--print"]), house.home.say("open")] {
        let ran = ran.exits(0);
        let code = code_in(&http, &ran.stdout);
        let typed = ran.stderr.split("type the code ").nth(1).unwrap().lines().next().unwrap();
        assert_eq!((code.len(), typed.len()), (32, 8), "{}", ran.stderr);
        redeem(&http, &typed.to_lowercase());
    }
    assert!(house.home.path("opened").exists(), "it was tried");
    let told = open(&house, &["--print", "--json"]).exits(0);
    let page = events(&told.stdout, "page").next().unwrap();
    assert_eq!(page["state"], "printed");
    redeem(&http, page["url"].as_str().unwrap().split('#').nth(1).unwrap());
    house.home.say("companion sessions revoke --all").exits(0);
    assert_eq!(house.home.say("companion sessions").exits(0).stdout, "");
}

#[test]
fn open_and_sessions_say_that_no_companion_runs() {
    let mut house = House::new();
    house.stop();
    for line in ["open", "open --print", "companion sessions", "companion sessions revoke --all"] {
        let refused = house.home.say(line).exits(3);
        assert!(refused.stderr.contains("minimodel companion start"), "{}", refused.stderr);
    }
}
