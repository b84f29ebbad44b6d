//! Each public type of the library `minimodel` shows how it is used.

use std::path::Path;

use minimodel_structure::{Source, examples, shipped, unnameable};

#[test]
fn each_public_type_of_the_library_has_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).unwrap();
    let found = examples(&shipped(root).unwrap(), "node");
    assert!(found.len() > 100, "the types were not found: {found:?}");
    let lacking: Vec<&str> = found.iter().filter(|(_, has)| !**has).map(|(name, _)| name.as_str()).collect();
    assert!(lacking.is_empty(), "no example in the documentation of:\n{}", lacking.join("\n"));
}

/// Types of crates of others that stand in the interface on purpose.
const OF_OTHERS: [&str; 3] = ["ed25519_dalek::SigningKey", "serde::Serialize", "serde_json::Error"];

#[test]
fn each_type_of_the_interface_has_a_public_path() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).unwrap();
    let mut found = unnameable(&shipped(root).unwrap(), "node");
    for expected in OF_OTHERS {
        assert!(found.remove(expected).is_some(), "{expected} is not in the interface any more");
    }
    let lacking: Vec<String> = found.into_iter().map(|(path, item)| format!("{path} in {item}")).collect();
    assert!(lacking.is_empty(), "no program can name:\n{}", lacking.join("\n"));
}

#[test]
fn a_type_without_a_compiled_example_is_named() {
    let source = |module: &[&str], text: &str| Source {
        path: String::new(),
        of: "node",
        module: module.iter().map(|&name| name.to_owned()).collect(),
        file: syn::parse_file(text).unwrap(),
    };
    let sources = [
        source(
            &[],
            "mod a; pub mod b; pub use a::{A, Renamed as B}; pub use other::{Co, MOST, f}; struct Private;",
        ),
        source(
            &["a"],
            "/// ```\n/// f();\n/// ```\npub struct A; pub use super::b::D as Renamed; pub struct Unreached;",
        ),
        source(&["b"], "/// ```text\n/// f\n/// ```\npub enum D {} pub(crate) struct Own; pub trait T {}"),
    ];
    let found = examples(&sources, "node");
    let found: Vec<(&str, bool)> = found.iter().map(|(name, has)| (name.as_str(), *has)).collect();
    assert_eq!(
        found,
        [("node::Co", false), ("node::a::A", true), ("node::b::D", false), ("node::b::T", false)]
    );
}

#[test]
fn a_type_that_no_program_can_name_is_found_with_its_place() {
    let source = |of, module: &[&str], text: &str| Source {
        path: String::new(),
        of,
        module: module.iter().map(|&name| name.to_owned()).collect(),
        file: syn::parse_file(text).unwrap(),
    };
    let sources = [
        source(
            "node",
            &[],
            "mod a; pub use a::A; pub use minimodel_wire::Known; pub fn f(path: &std::path::Path) {}",
        ),
        source(
            "node",
            &["a"],
            "use minimodel_wire::parts::{self, Hidden}; use tokio::sync::mpsc; pub struct A { pub hidden: Vec<Hidden>, own: Own } \
             struct Own; impl A { pub fn take(&self, _: parts::Taken) -> Known { loop {} } fn own(&self) -> Own { Own } \
             pub fn queue(&self) -> mpsc::Sender<u8> { loop {} } } use minimodel_wire::Known;",
        ),
        source("wire", &[], "pub mod parts; pub use parts::Known;"),
        source(
            "wire",
            &["parts"],
            "pub struct Hidden; pub struct Taken; pub struct Known; pub struct Given; pub struct Wanted; \
             impl Known { pub fn part(&self, _: Wanted) -> Option<Given> { None } }",
        ),
    ];
    let found: Vec<String> =
        unnameable(&sources, "node").into_iter().map(|(of, at)| format!("{of} {at}")).collect();
    assert_eq!(
        found,
        [
            "tokio::sync::mpsc::Sender node::a::A",
            "wire::parts::Given wire::parts::Known",
            "wire::parts::Hidden node::a::A",
            "wire::parts::Taken node::a::A",
        ]
    );
}
