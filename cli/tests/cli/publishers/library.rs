//! Publisher keys in the library: what is taken in, activated and shown under another key, and on a terminal.

use super::{LAB, at_terminal, key, known, names, stage, stage_that_knows};
use crate::home::{Home, Ran};
use crate::process::event;

/// Asserts that a command that only reads succeeds, and warns of the key with `words`.
#[track_caller]
fn warns(home: &Home, line: &str, words: &str) -> Ran {
    let ran = home.say(line).exits(0);
    assert!(
        ran.stderr.contains("warning: sample-model@1.0.0: ") && ran.stderr.contains(words),
        "{}",
        ran.stderr
    );
    ran
}

// Rows: H10
#[test]
fn library_refuses_another_key_unless_user_accepts_it() {
    let home = stage();
    home.say("library add one.minimodel a.slm").exits(0);
    assert_eq!(known(&home), [key(1)], "what its user takes in makes its key known");
    let accept = |line: &str, shown: &str| home.run(line.split(' ').chain(["--accept-publisher-key", shown]));
    home.say("library add two.minimodel").exits(6);
    accept("library add two.minimodel a.slm", &key(9)).exits(6);
    home.run(["library", "add", "one.minimodel", "--publisher-key", &key(2)]).exits(6);
    accept("library add two.minimodel a.slm", &key(2)).exits(0);
    home.say("library add none.minimodel a.slm").exits(6);
    accept("library add none.minimodel a.slm", "unsigned").exits(0);
    assert_eq!(known(&home), [key(1), key(2)]);
    home.say("library activate 1").exits(0);
    home.run(["publisher", "forget", LAB, &key(2)]).exits(0);

    // Entries imported under keys that are no longer known, by number.
    for (id, words, standing, shown) in
        [(2, key(2), "changed", key(2)), (3, key(1), "signature-missing", "unsigned".to_owned())]
    {
        for line in ["pin", "unpin"] {
            let told = warns(&home, &format!("--json library {line} {id}"), &words);
            assert_eq!(event(&told.stdout, "entry")["publisher"]["standing"], standing);
        }
        warns(&home, &format!("library path {id}"), &words);
        let told = warns(&home, &format!("--json library path {id}"), &words);
        assert_eq!(event(&told.stdout, "library-path")["publisher"]["standing"], standing);

        let refused = home.say(&format!("--json library verify {id}")).exits(6);
        names(&refused, &[&key(1), &format!("--accept-publisher-key {shown}")]);
        assert_eq!(event(&refused.stdout, "entry")["state"], "ready", "its bytes are right");
        assert_eq!(event(&refused.stdout, "error")["code"], 6);
        accept(&format!("library verify {id}"), &key(9)).exits(6);
        let verified = accept(&format!("library verify {id}"), &shown).exits(0);
        assert!(verified.stderr.contains("warning: "), "{}", verified.stderr);
        assert_eq!(known(&home), [key(1)], "to verify is not to take in");

        let refused = home.say(&format!("library activate {id}")).exits(6);
        names(&refused, &[&key(1), "the library was left as it is"]);
        let active = home.say("--json library show 1").exits(0).object();
        assert_eq!(active["active"], true);
    }
    accept("library activate 2", &key(2)).exits(0);
    assert_eq!(known(&home), [key(1), key(2)]);
    let told = home.say("--json library path 2").exits(0);
    assert!(!told.stderr.contains("warning"), "{}", told.stderr);
    home.say("library activate 1").exits(0);
    home.run(["publisher", "forget", LAB, &key(2)]).exits(0);
    let back = warns(&home, "--json library rollback sample-model", &key(2));
    assert_eq!(event(&back.stdout, "activated")["entry"]["publisher"]["standing"], "changed");

    // No flag overrides a pin, and an unreadable record never counts as an empty one.
    home.run(["publisher", "pin", LAB, &key(1)]).exits(0);
    accept("library activate 2", &key(2)).exits(6);
    accept("library verify 2", &key(2)).exits(6);
    warns(&home, "library path 2", "NOT THE PINNED KEY");
    std::fs::write(home.own("state/publishers"), "damaged").unwrap();
    home.say("library activate 1").exits(10);
    home.say("library verify 1").exits(10);
    let told = home.say("library path 1").exits(0);
    assert!(told.stderr.contains("warning: ") && told.stderr.contains("damaged"), "{}", told.stderr);
}

// Rows: H10
#[test]
fn library_add_on_terminal_asks_whether_to_accept_another_key() {
    let home = stage_that_knows();
    for (word, code, count) in [("y", 6, 0), ("yes", 0, 1)] {
        let (asked, ended) = at_terminal(&home, &["library", "add", "two.minimodel", "a.slm"], &[word]);
        assert_eq!(ended, code, "{asked}");
        assert!(asked.contains("WARNING") && asked.contains(&key(1)) && asked.contains(&key(2)), "{asked}");
        assert_eq!(home.say("--json library list").exits(0).stdout.lines().count(), count);
    }
    assert_eq!(known(&home), [key(1), key(2)]);
}
