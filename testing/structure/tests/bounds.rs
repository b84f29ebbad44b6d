//! The bounds of the house, and what is beyond them with its reason. The tables may only shrink: an entry that is not
//! needed, or that allows more than there is, fails as well.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

use std::collections::BTreeMap;
use std::path::Path;

use minimodel_structure::{Measured, Source, cycles, measure, shipped, simulation};

/// Most fields of a struct.
const FIELDS: usize = 15;
/// Most parameters of a function without `self`; a tuple counts as many as it has elements.
const PARAMETERS: usize = 5;
/// Most files with inherent methods of one type.
const SPREAD: usize = 6;

/// Structs of more fields.
const MORE_FIELDS: &[(&str, usize, &str)] = &[
    ("companion::companion::row::TransferRow", 22, "a row of the database"),
    ("companion::doctor::facts::Facts", 16, "a table of what was measured"),
    ("companion::library::row::Row", 17, "a row of the database"),
    ("companion::model::library::Entry", 17, "what the user sees of an entry, one field a line"),
    ("companion::model::transfer::Transfer", 34, "what the user sees of a transfer, one field a line"),
    ("swarm::machine::config::Limits", 28, "a table of constants, each used by itself"),
    ("testing/sim::plan::Plan", 18, "what a scenario says of a peer, one field a line"),
    ("testing/sim::peer::Tally", 26, "what a peer of a world did, for assertions, one field a question"),
    ("verifier::slm::header::Header", 22, "the header of a file format"),
];

/// Functions of more parameters.
const MORE_PARAMETERS: &[(&str, usize, &str)] = &[];

/// Types over more files.
const MORE_SPREAD: &[(&str, usize, &str)] = &[];

/// Siblings that name each other in a circle.
const CYCLES: &[(&str, &str)] = &[
    (
        "node: bans, check, checks, event, identity, transfer",
        "an event carries the errors of those who tell it",
    ),
    (
        "node::transfer: end, fetch, import, plan, receipt",
        "end and errors of a fetch carry what its import made of it",
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).unwrap()
}

fn sources() -> Vec<Source> {
    let sources = shipped(root()).unwrap();
    assert!(sources.len() > 300, "the sources were not found");
    sources
}

/// The figures of the shipped sources and of the simulation. That one's modules name each other: each carries out steps of one
/// world.
fn measured() -> Measured {
    let simulation = simulation(root()).unwrap();
    assert!(simulation.len() > 15, "the simulation was not found");
    measure(&sources().into_iter().chain(simulation).collect::<Vec<_>>())
}

/// What is beyond `bound` and not in the table, and what the table allows in vain.
fn faults(counted: &BTreeMap<String, usize>, bound: usize, table: &[(&str, usize, &str)]) -> Vec<String> {
    let allowed: BTreeMap<&str, usize> = table.iter().map(|&(name, most, _)| (name, most)).collect();
    let beyond = counted.iter().filter_map(|(name, &count)| {
        let most = allowed.get(name.as_str()).copied().unwrap_or(bound);
        (count > most).then(|| format!("{name} has {count}, and at most {most} are allowed"))
    });
    let idle = allowed.iter().filter_map(|(&name, &most)| {
        let count = counted.get(name).copied().unwrap_or(0);
        (count < most || most <= bound).then(|| format!("{name} has {count}: take its {most} off the table"))
    });
    beyond.chain(idle).collect()
}

#[test]
fn no_struct_has_more_fields_than_a_reader_holds() {
    let faults = faults(&measured().fields, FIELDS, MORE_FIELDS);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_function_takes_more_than_five_parameters() {
    let faults = faults(&measured().parameters, PARAMETERS, MORE_PARAMETERS);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_type_has_methods_in_more_than_six_files() {
    let spread = measured().spread;
    let files = spread.into_iter().map(|(name, files)| (name, files.len())).collect();
    let faults = faults(&files, SPREAD, MORE_SPREAD);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_modules_name_each_other_in_a_circle() {
    let found = cycles(&sources());
    let allowed: Vec<&str> = CYCLES.iter().map(|&(circle, _)| circle).collect();
    let new = found.iter().filter(|circle| !allowed.contains(&circle.as_str()));
    let gone = allowed.iter().filter(|circle| !found.iter().any(|there| there == *circle));
    let faults: Vec<String> = new
        .map(|circle| format!("a circle: {circle}"))
        .chain(gone.map(|circle| format!("no circle any more, take it off the table: {circle}")))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The measures on a small house with one fault of each kind.
#[test]
fn each_measure_can_fail() {
    let source = |path: &str, module: &[&str], text: &str| Source {
        path: path.to_owned(),
        of: "wire",
        module: module.iter().map(|&name| name.to_owned()).collect(),
        file: syn::parse_file(text).unwrap(),
    };
    let sources = [
        source(
            "wire/src/a.rs",
            &["a"],
            "use crate::b::B; pub struct A { x: u8, y: u8 } impl A { fn f(&self) {} }",
        ),
        source("wire/src/b.rs", &["b"], "impl super::a::A { fn g(&self, (a, b): (u8, u8), c: u8) {} }"),
        source("wire/src/c.rs", &["c"], "use crate::a::A; fn f(_: A) {}"),
    ];
    let measured = measure(&sources);
    assert_eq!(measured.fields.get("wire::a::A"), Some(&2));
    assert_eq!(measured.parameters.get("wire::b::A::g"), Some(&3));
    assert_eq!(measured.spread.get("wire::A").map(|files| files.len()), Some(2));
    assert_eq!(cycles(&sources), ["wire: a, b"]);
    let counted = BTreeMap::from([("a".to_owned(), 7), ("b".to_owned(), 3)]);
    assert_eq!(faults(&counted, 5, &[]).len(), 1);
    assert_eq!(faults(&counted, 5, &[("a", 7, "a format")]).len(), 0);
    assert_eq!(faults(&counted, 5, &[("a", 8, "more than there is"), ("b", 5, "not needed")]).len(), 2);
}
