//! The command lines of README.md and of the pages in `docs/` are read by the program's own parser.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;

use super::Cli;

/// README.md and each page.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.chain([root.join("README.md")]).collect()
}

/// Command lines of the program in the blocks of a page, continued lines joined.
fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(|block| {
        let joined = block.replace("\\\n", " ");
        joined.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    });
    lines.filter(|line| line.starts_with("minimodel ")).collect()
}

/// Splits a command line up to a comment, a pipe or a redirection; puts values for `PEER` and a shortened
/// key.
fn words(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap();
    let words = line.split_whitespace().take_while(|word| !["|", ">", "||", "&&", "&"].contains(word));
    let value = |word: &str| match word {
        "PEER" => "a4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dq".to_owned(),
        "ed25519:..." => format!("ed25519:{}", "0".repeat(64)),
        word => word.to_owned(),
    };
    words.map(|word| value(word.trim_matches(['"', '\'']))).collect()
}

#[test]
fn every_command_line_of_the_pages_is_understood() {
    let (mut faults, mut count) = (Vec::new(), 0);
    for page in pages() {
        for line in commands(&fs::read_to_string(&page).unwrap()) {
            count += 1;
            if let Err(error) = Cli::try_parse_from(words(&line)) {
                faults.push(format!("{}: {line}\n    {}", page.display(), error.to_string().trim()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 50, "only {count} command lines were found");
}
