//! The files that CONTRIBUTING.md sends a reader to are there.

use std::path::Path;

/// The words between backquotes that are paths of the tree.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|word| word.contains('/') && !word.contains([' ', ':']))
}

#[test]
fn files_named_by_contributing_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).unwrap();
    let text = std::fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let (_, answers) = text.split_once("## Where do I add").unwrap();
    for question in ["a frame?", "a rule of manifests?", "a verb?", "a policy of picking chunks?"] {
        let (_, answer) = answers.split_once(&format!("**{question}**")).unwrap();
        let answer = answer.split("\n\n").next().unwrap();
        assert_eq!(answer.lines().count(), 4, "{question}");
        assert!(paths(answer).count() >= 3, "{question}");
    }
    let missing: Vec<&str> = paths(&text).filter(|path| !root.join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
