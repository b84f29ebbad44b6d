//! Habits of language that texts for people avoid: a count of the lines that have one, which may only shrink.
//!
//! `cargo test -p minimodel-structure --test prose -- --nocapture` prints the lines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Lines with a habit that each kind of text still has. Lower a number when you remove lines; never raise it.
const BOUNDS: [(Kind, usize); 5] =
    [(Kind::Help, 1), (Kind::Message, 193), (Kind::WebPage, 20), (Kind::OtherPage, 74), (Kind::Docs, 515)];

/// One pattern for each habit, with what to write instead.
const HABITS: [(&str, &str); 9] = [
    (r"\b(whoever|whomever|nobody|somebody|(its|our) users?|See the module)\b", "name the actor"),
    (r"\b(ones?|those|two|some|others) (who|whom|whose)\b|\b(those|ones?) that\b|\bwhom\b", "use a noun"),
    (r"\bmembers?\b", "peer, or public peer"),
    (r"\bwords? of\b", "report"),
    (r"\b(is|are|be|was|were) told\b|\btells? of\b", "is notified, sees"),
    (r"(?i)\b(of|for|by|with|in|to|from|and|is|that|than) what\b", "use a noun"),
    (r"\b(is|are|was|were) no \w+", "is not"),
    (r"\bst(ands?|ood) (in|for|beside|there|apart|under|below)\b|\bg(ives?|ave) way\b", "exists, is evicted"),
    (r"\b(anew|in vain|in good order|of before|by itself|beside it|in its place|be had|had of)\b", "cut it"),
];

/// A kind of text that people read. Comments are no such kind, except those that clap turns into help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Help,
    Message,
    WebPage,
    OtherPage,
    Docs,
}

/// Files below a folder that hold texts, in order, as paths from `root`.
fn files(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.')
                && !["target", "node_modules", "vendor", "corpus"].contains(&name.as_str())
            {
                files(root, &path, found);
            }
        } else if [".rs", ".md", ".js"].iter().any(|end| name.ends_with(end)) {
            found.push(path.strip_prefix(root).unwrap().to_owned());
        }
    }
}

/// Whether a path is a source of the shipped program, and not of its tests.
fn is_shipped(path: &str) -> bool {
    let crates = ["wire", "verifier", "swarm", "node", "companion", "cli", "reach"];
    let is_test = path.split(['/', '.']).any(|part| part == "tests");
    crates.iter().any(|name| path.starts_with(&format!("{name}/src/"))) && !is_test
}

/// The texts of a line of this file, with their kind.
struct Texts {
    message: Regex,
    page: Regex,
}

impl Texts {
    fn new() -> Self {
        Self {
            message: Regex::new(r#""((?:\\.|[^"\\]){16,})""#).unwrap(),
            page: Regex::new(r#"['"`]([^'"`]{16,})['"`]|>([^<>{}]{16,})<"#).unwrap(),
        }
    }

    fn of<'a>(&self, path: &str, line: &'a str) -> Vec<(Kind, &'a str)> {
        let comment = line.trim_start().strip_prefix("//");
        let matches = |pattern: &Regex, kind| {
            let texts = pattern.captures_iter(line).filter_map(|found| found.get(1).or(found.get(2)));
            texts.map(|text| (kind, text.as_str())).collect()
        };
        if path.ends_with(".md") {
            vec![(if path.starts_with("docs/") { Kind::Docs } else { Kind::OtherPage }, line)]
        } else if path.starts_with("page/") {
            if comment.is_some() { Vec::new() } else { matches(&self.page, Kind::WebPage) }
        } else if !is_shipped(path) {
            Vec::new()
        } else if let Some(comment) = comment {
            if path.starts_with("cli/src/args/") { vec![(Kind::Help, comment)] } else { Vec::new() }
        } else {
            matches(&self.message, Kind::Message).into_iter().filter(|(_, text)| text.contains(' ')).collect()
        }
    }
}

#[test]
fn texts_for_people_lose_habits_and_gain_none() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).unwrap();
    let habits = HABITS.map(|(pattern, instead)| (Regex::new(pattern).unwrap(), instead));
    let (texts, mut found, mut counts) = (Texts::new(), Vec::new(), BTreeMap::<Kind, usize>::new());
    files(root, root, &mut found);
    for path in found {
        let name = path.to_string_lossy().replace('\\', "/");
        let source = std::fs::read_to_string(root.join(&path)).unwrap();
        for (number, line) in source.lines().enumerate() {
            for (kind, text) in texts.of(&name, line) {
                if let Some((_, instead)) = habits.iter().find(|(pattern, _)| pattern.is_match(text)) {
                    *counts.entry(kind).or_default() += 1;
                    println!("{name}:{}: {instead}: {}", number + 1, text.trim());
                }
            }
        }
    }
    let wrong = BOUNDS.into_iter().filter_map(|(kind, bound)| {
        let count = counts.get(&kind).copied().unwrap_or_default();
        match count.cmp(&bound) {
            Ordering::Equal => None,
            Ordering::Greater => Some(format!("{kind:?}: {count} lines have a habit, only {bound} may")),
            Ordering::Less => {
                Some(format!("{kind:?}: only {count} lines have a habit: lower the bound of {bound}"))
            }
        }
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
