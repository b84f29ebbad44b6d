//! `minimodel demo`, as a new user runs it.

use std::fs;
use std::time::{Duration, Instant};

use minimodel::consent::Action;
use minimodel_companion::Service as _;
use minimodel_companion::client::Client;
use minimodel_companion::model::{Consent, TransferLimits};
use rustix::process::{Pid, Signal, test_kill_process};

use super::model::PATIENCE;
use crate::home::Home;
use crate::process::{Running, events};

/// `minimodel demo --page` in a temporary folder of its own.
struct Pages {
    home: Home,
    demo: Running,
}

impl Pages {
    /// Starts it, and waits for the addresses of both pages.
    fn start() -> Self {
        let home = Home::new();
        fs::create_dir(home.path("tmp")).unwrap();
        let mut command = home.command(["demo", "--page", "--print", "--json"]);
        let demo = Running::start(command.env("TMPDIR", home.path("tmp")));
        demo.wait_for_stdout("two pages", |text| events(text, "page").nth(1));
        Self { home, demo }
    }

    /// The companion of one of the two.
    fn of(&self, name: &str) -> Client {
        let [folder] = self.left().try_into().unwrap();
        Client::find(&folder.join(format!("{name}-home/state/companion"))).unwrap().unwrap()
    }

    fn left(&self) -> Vec<std::path::PathBuf> {
        fs::read_dir(self.home.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn wait_until_told(&self, words: &str) {
        self.demo.wait_for_stdout(words, |text| text.contains(words).then_some(()));
    }
}

fn is_alive(pid: u32) -> bool {
    test_kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap()).is_ok()
}

/// Waits until a process, which this one has not started, is gone.
#[track_caller]
fn wait_for_end(pid: u32) {
    let begun = Instant::now();
    while is_alive(pid) {
        assert!(begun.elapsed() < PATIENCE, "{pid} outlives the demo");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn demo_of_pages_waits_for_consent_and_leaves_nothing() {
    let pages = Pages::start();
    let (alice, bob) = (pages.of("alice"), pages.of("bob"));
    let label = bob.status().unwrap().label.unwrap();
    assert!(label.starts_with("Demo: Bob."), "{label}");
    pages.wait_until_told("Bob is asked. No peer has been dialed.");
    let fetch = bob.status().unwrap().transfers.remove(0);
    let consent = Consent {
        actions: vec![Action::Fetch, Action::Import],
        by: "api".to_owned(),
        expires_unix: None,
        quota_bytes: None,
        accept_publisher_key: None,
    };
    bob.answer(fetch.id, consent).unwrap();
    // Alice shares slowly, so that the lying peer is asked too; without a limit she may give it all first.
    let begun = Instant::now();
    while bob.bans().unwrap().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "the lying peer is not on record");
        std::thread::sleep(Duration::from_millis(20));
    }
    let share = alice.status().unwrap().transfers.remove(0);
    alice.limit(share.id, TransferLimits::default()).unwrap();
    pages.wait_until_told("Bob has the file, checked in full");
    let pids = [&alice, &bob].map(|user| user.status().unwrap().pid);
    pages.demo.signal(Signal::INT);
    let Pages { home, demo } = pages;
    demo.end().exits(0);
    assert_eq!(pids.map(is_alive), [false, false]);
    assert_eq!(fs::read_dir(home.path("tmp")).unwrap().count(), 0);
    assert_eq!(home.names(), ["tmp"], "the user's own home");
}

#[test]
fn companions_of_demo_end_when_it_is_killed() {
    let pages = Pages::start();
    let pids = ["alice", "bob"].map(|name| pages.of(name).status().unwrap().pid);
    pages.demo.signal(Signal::KILL);
    pids.into_iter().for_each(wait_for_end);
}
