//! Each public type of the library `minimodel` shows how it is used.

use std::path::Path;

use minimodel_structure::{Source, examples, shipped};

#[test]
fn each_public_type_of_the_library_has_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).unwrap();
    let found = examples(&shipped(root).unwrap(), "node");
    assert!(found.len() > 100, "the types were not found: {found:?}");
    let lacking: Vec<&str> = found.iter().filter(|(_, has)| !**has).map(|(name, _)| name.as_str()).collect();
    assert!(lacking.is_empty(), "no example in the documentation of:\n{}", lacking.join("\n"));
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
