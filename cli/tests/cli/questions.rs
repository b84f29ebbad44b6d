//! Questions on a terminal: one screen, one answer that names each action, and what is asked again.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::home::Home;
use crate::process::{PROMPT, Running, answer, ask, terminal, without_colours};
use crate::publishers::{at_terminal, key, known, stage, stage_that_knows};

/// The file that all manifests of [`stage`] name.
const FILE: &str = "sample-model-1.0.0.slm";

/// The actions of each line of the consent log, and how they were given.
fn agreed(home: &Home) -> Vec<(Value, Value)> {
    let log = home.own("state/consent.log");
    let log = if log.exists() { std::fs::read_to_string(log).unwrap() } else { String::new() };
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (line["actions"].clone(), line["by"].clone())).collect()
}

/// Where `words` stands in what was shown.
#[track_caller]
fn place(shown: &str, words: &str) -> usize {
    shown.find(words).unwrap_or_else(|| panic!("no `{words}` in: {shown}"))
}

/// Asserts that these words were shown in this order.
#[track_caller]
fn in_order(shown: &str, words: &[&str]) {
    let places: Vec<usize> = words.iter().map(|words| place(shown, words)).collect();
    assert!(places.is_sorted(), "{words:?} stand at {places:?} of: {shown}");
}

// Rows: I5
#[test]
fn one_answer_to_an_offer_fetches_into_the_current_folder() {
    let (alice, bob) = (stage(), Home::new());
    let seeder = Running::seed(&alice, ["one.minimodel", "a.slm"]);
    let offer = seeder.offer();
    let (shown, running) = answer(&bob, &["fetch", "--offer", &offer], &["yes fetch"]);
    let path = running.end().exits(0).stdout;
    assert_eq!(bob.read(path.trim()), alice.read("a.slm"));
    assert_eq!(bob.read(FILE), alice.read("a.slm"));
    in_order(
        &shown,
        &[
            &format!("Ask the peer at {} which model this offer is for?", seeder.address()),
            "into     the current folder, `/",
            &seeder.peer(),
            "yes                      fetch the manifest alone",
            "yes fetch                also fetch the model",
            "and import the file",
            "but ask again if it is not signed, or not by the known key",
            "yes fetch serve          also serve",
            "yes fetch serve publish  also publish",
            "anything else            no",
        ],
    );
    let by = json!("prompt");
    assert_eq!(agreed(&bob), [(json!(["fetch"]), by.clone()), (json!(["fetch", "import"]), by)]);
    assert_eq!(known(&bob), [key(1)]);
    seeder.stop();
}

// Rows: I5
#[test]
fn the_manifest_alone_leads_to_one_screen_with_keys_last() {
    let (alice, bob) = (stage(), Home::new());
    let seeder = Running::seed(&alice, ["one.minimodel", "a.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "--offer", &offer, "-o", "models"];
    let (shown, running) = answer(&bob, &line, &["yes", "yes, serve, publish"]);
    running.end().exits(0);
    assert_eq!(bob.read(format!("models/{FILE}")), alice.read("a.slm"));
    let second = &shown[place(&shown, "Fetch sample-model 1.0.0, ")..];
    in_order(
        second,
        &[
            ", by sample-publisher (key first seen now), into `models`?",
            "license",
            "peers",
            &format!("signed by {}", key(1)),
            "swarm",
            "yes                fetch it from these peers, who see this machine's address",
            "and import the file, once every check has passed",
            "yes serve          also serve chunks of it",
            "yes serve publish  also publish",
            "anything else      no",
            "Type yes, yes serve or yes serve publish to agree: ",
        ],
    );
    assert_eq!(second.matches(PROMPT).count(), 1);
    let by = json!("prompt");
    let all = json!(["fetch", "import", "serve", "publish"]);
    assert_eq!(agreed(&bob), [(json!(["fetch"]), by.clone()), (all, by)]);
    seeder.stop();
}

// Rows: I5
#[test]
fn any_other_answer_to_an_offer_dials_and_writes_nothing() {
    let (alice, bob) = (stage(), Home::new());
    let seeder = Running::seed(&alice, ["one.minimodel", "a.slm"]);
    let offer = seeder.offer();
    // The last two are Ctrl-D, the end of the input, and an empty line.
    let words = [
        "no",
        "y",
        "YES",
        "fetch",
        "yes serve",
        "yes publish",
        "yes import",
        "yes all",
        "yes fetch publish",
        "yes fetch please",
        "\u{4}",
        "",
    ];
    for word in words {
        let (shown, code) = at_terminal(&bob, &["fetch", "--offer", &offer], &[word]);
        assert_eq!(code, 5, "{word:?}: {shown}");
        assert!(agreed(&bob).is_empty() && bob.names().is_empty(), "{word:?}: {:?}", bob.names());
    }
    let refused = refusal(&bob, &["fetch", "--offer", &offer], "yes all");
    for words in [
        "needs consent to fetch; nothing was dialed or written",
        "the answer was `yes all`, not `yes`, `yes fetch`, `yes fetch serve` or `yes fetch serve publish`",
        "`--consent fetch`",
    ] {
        assert!(refused.contains(words), "{words}: {refused}");
    }
    seeder.stop();
}

/// What a verb says after one answer that does not agree.
fn refusal(home: &Home, line: &[&str], word: &str) -> String {
    let (mut person, process) = terminal();
    let mut command = home.command(line);
    command.stdin(Stdio::from(process.try_clone().unwrap()));
    let running = Running::start_on(&mut command, None, Some(process.into()));
    drop(command);
    person.write_all(format!("{word}\n").as_bytes()).unwrap();
    let (mut shown, mut piece) = (Vec::new(), [0; 1024]);
    while let Ok(count @ 1..) = person.read(&mut piece) {
        shown.extend_from_slice(&piece[..count]);
    }
    assert_eq!(running.fate().status.code(), Some(5));
    // A terminal breaks no line of its own, but ends each with a carriage return.
    without_colours(&String::from_utf8_lossy(&shown)).replace('\r', "")
}

// Rows: H10, I5
#[test]
fn early_consent_does_not_count_where_nothing_is_signed() {
    let (alice, bob) = (stage(), Home::new());
    let seeder = Running::seed(&alice, ["none.minimodel", "a.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "--offer", &offer];
    for last in ["no", "yes fetch", ""] {
        let (shown, code) = at_terminal(&bob, &line, &["yes fetch serve", last]);
        assert_eq!(code, 5, "{shown}");
        in_order(
            &shown,
            &[
                "WARNING: ",
                "not signed, so nobody vouches for the publisher name `sample-publisher`",
                "your answer to the first question does not count",
                "by sample-publisher (not signed)",
            ],
        );
        assert!(bob.names().is_empty(), "{:?}", bob.names());
    }
    let only = (json!(["fetch"]), json!("prompt"));
    assert_eq!(agreed(&bob), [only.clone(), only.clone(), only.clone()]);
    assert_eq!(at_terminal(&bob, &line, &["yes fetch serve", "yes"]).1, 0);
    assert_eq!(agreed(&bob)[3..], [only, (json!(["fetch", "import"]), json!("prompt"))]);
    assert_eq!(bob.read(FILE), alice.read("a.slm"));
    seeder.stop();
}

// Rows: H10, I5
#[test]
fn early_consent_does_not_count_where_the_key_is_in_doubt() {
    let (alice, bob) = (stage(), stage_that_knows());
    let before = bob.names();
    for (name, why) in [("two", "signed by another key"), ("none", "has a known key")] {
        let seeder = Running::seed(&alice, [format!("{name}.minimodel").as_str(), "a.slm"]);
        let offer = seeder.offer();
        let line = ["fetch", "--offer", &offer, "-o", name];
        for (words, code) in [
            (&["yes fetch", "no"][..], 6),
            (&["yes fetch", "yes fetch"], 6),
            (&["yes fetch", ""], 6),
            (&["yes fetch", "yes", "no"], 5),
        ] {
            let (shown, ended) = at_terminal(&bob, &line, words);
            assert_eq!(ended, code, "{words:?}: {shown}");
            assert!(shown.contains("the publisher's signature is not what is known"), "{shown}");
            assert!(words.len() < 3 || shown.contains(why), "{shown}");
            assert_eq!((known(&bob), bob.names()), (vec![key(1)], before.clone()));
        }
        assert_eq!(at_terminal(&bob, &line, &["yes fetch", "yes", "yes"]).1, 0);
        std::fs::remove_dir_all(bob.path(name)).unwrap();
        bob.run(["publisher", "forget", crate::publishers::LAB, &key(2)]);
        seeder.stop();
    }
    // A key that is not the pinned one is never a question.
    bob.run(["publisher", "pin", crate::publishers::LAB, &key(1)]).exits(0);
    let seeder = Running::seed(&alice, ["two.minimodel", "a.slm"]);
    let offer = seeder.offer();
    assert_eq!(at_terminal(&bob, &["fetch", "--offer", &offer], &["yes fetch"]).1, 6);
    assert_eq!(bob.names(), before);
    seeder.stop();
}

// Rows: I5
#[test]
fn a_known_manifest_is_fetched_by_one_answer() {
    let (alice, bob) = (stage(), stage());
    let seeder = Running::seed(&alice, ["one.minimodel", "a.slm"]);
    let offer = seeder.offer();
    for (word, actions) in [
        ("yes", json!(["fetch", "import"])),
        ("yes serve", json!(["fetch", "import", "serve"])),
        ("yes serve publish", json!(["fetch", "import", "serve", "publish"])),
    ] {
        let out = word.replace(' ', "-");
        let (asked, running) = ask(&bob, &["fetch", "one.minimodel", "--peer", &offer, "-o", &out], &[word]);
        assert_eq!(running.fate().status.code(), Some(0), "{word}");
        assert_eq!(asked, ["Type yes, yes serve or yes serve publish"]);
        assert_eq!(agreed(&bob).last(), Some(&(actions, json!("prompt"))), "{word}");
        assert_eq!(bob.read(format!("{out}/{FILE}")), alice.read("a.slm"));
    }
    assert_eq!(agreed(&bob).len(), 3);
    seeder.stop();
}

// Rows: I5
#[test]
fn a_fetch_that_seeds_on_is_answered_for_with_serve_in_it() {
    let (alice, bob) = (stage(), stage());
    let seeder = Running::seed(&alice, ["one.minimodel", "a.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "--offer", &offer, "--keep-seeding", "--listen", "127.0.0.1:0"];
    assert_eq!(at_terminal(&bob, &line, &["yes fetch"]).1, 5);
    assert!(agreed(&bob).is_empty());
    let (asked, running) = ask(&bob, &line, &["yes fetch serve"]);
    assert_eq!(asked, ["Type yes, yes fetch serve or yes fetch serve publish"]);
    running.wait_for_stdout("path", |said| said.contains(FILE).then_some(()));
    running.stop().exits(0);
    assert_eq!(agreed(&bob).last(), Some(&(json!(["fetch", "import", "serve"]), json!("prompt"))));
    let (asked, _) = ask(&bob, &["fetch", "one.minimodel", "--keep-seeding"], &["no"]);
    assert_eq!(asked, ["Type yes or yes publish"]);
    seeder.stop();
}

// Rows: I5
#[test]
fn seed_asks_once_and_publishes_only_by_name() {
    let alice = stage();
    let line = ["seed", "one.minimodel", "a.slm", "--listen", "127.0.0.1:0"];
    for word in ["no", "yes serve", "yes fetch", "\u{4}"] {
        assert_eq!(at_terminal(&alice, &line, &[word]).1, 5, "{word:?}");
    }
    assert!(agreed(&alice).is_empty());
    for (word, actions) in [("yes", json!(["serve"])), ("yes publish", json!(["serve", "publish"]))] {
        let (shown, seeder) = answer(&alice, &line, &[word]);
        seeder.offer();
        seeder.stop().exits(0);
        assert_eq!(agreed(&alice).last(), Some(&(actions, json!("prompt"))));
        in_order(
            &shown,
            &["Serve sample-model 1.0.0, ", "to anyone who holds the offer?", "swarm", "yes publish"],
        );
    }
}

// Rows: I5
#[test]
fn the_current_folder_is_no_default_where_nothing_is_asked() {
    let (alice, bob) = (stage(), Home::new());
    let seeder = Running::seed(&alice, ["one.minimodel", "a.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "--offer", &offer];
    let with_flag = [&line[..], &["--consent", "fetch,import"]].concat();
    for words in [&line[..], &with_flag] {
        let refused = bob.run(words).exits(2);
        assert!(refused.stderr.contains("`--out DIR`"), "{}", refused.stderr);
    }
    // Nor on a terminal, where the flag has answered already, or under --json.
    let (_, running) = answer(&bob, &with_flag, &[]);
    assert_eq!(running.fate().status.code(), Some(2));
    let (_, running) = answer(&bob, &[&line[..], &["--json"]].concat(), &[]);
    assert_eq!(running.end().exits(2).object()["code"], 2);
    assert!(bob.names().is_empty() && agreed(&bob).is_empty());
    seeder.stop();
}

// Rows: I5
#[test]
fn repair_asks_once_with_the_name_of_the_file() {
    let (alice, bob) = (stage(), stage());
    let seeder = Running::seed(&alice, ["one.minimodel", "a.slm"]);
    let offer = seeder.offer();
    let mut damaged = bob.read("a.slm");
    *damaged.last_mut().unwrap() ^= 1;
    bob.write("a.slm", &damaged);
    let line = ["verify-artifact", "one.minimodel", "a.slm", "--repair", "--peer", &offer];
    let (shown, code) = at_terminal(&bob, &line, &["no"]);
    assert_eq!(code, 5, "{shown}");
    in_order(
        &shown,
        &["Repair `./a.slm` with chunks of sample-model 1.0.0, ", "repairs", "swarm", "yes serve publish"],
    );
    assert!(bob.read("a.slm") == damaged && agreed(&bob).is_empty());
    assert_eq!(at_terminal(&bob, &line, &["yes"]).1, 0);
    assert!(bob.read("a.slm") == alice.read("a.slm"));
    assert_eq!(agreed(&bob), [(json!(["fetch", "import"]), json!("prompt"))]);
    seeder.stop();
}
