//! Comparison of `docs/faults.md` with the tests of the whole tree: all rows of the catalogue are there, each names at
//! least one test, and a row names a test exactly when the test says that it shows the row.
//!
//! A test says so in a line above its attributes: `// Rows: E6, E18`; invariants (`I4`) may stand there too. Tests of
//! tricks show the rows in the table of tricks. The tests column is generated:
//!
//! ```sh
//! MINIMODEL_UPDATE_DOCS=1 cargo test -p minimodel-cli --test cli catalogue
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use minimodel_hostile::{Side, Trick};

use crate::hostile_peers::conformance;

/// Sections of the catalogue and how many rows each has: 106 in all.
const SECTIONS: [(char, u32); 8] =
    [('A', 12), ('B', 22), ('C', 8), ('D', 16), ('E', 18), ('F', 7), ('G', 6), ('H', 17)];

/// Tests column of a row that no test shows.
const NONE: &str = "—";

/// Most characters of a test name.
const MAX_NAME: usize = 60;

/// Test names by row id.
type Shown = BTreeMap<String, BTreeSet<String>>;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust source below `folder`, whatever crate it is of.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                found.extend(sources(&path));
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    found
}

/// All row ids, in the order of the page.
fn all_ids() -> Vec<String> {
    let ids = SECTIONS.into_iter().flat_map(|(section, rows)| (1..=rows).map(move |row| (section, row)));
    ids.map(|(section, row)| format!("{section}{row}")).collect()
}

/// Name of the function that begins in this line, if one does.
fn function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(&rest[..end])
}

/// Tests of a source that run by default, in `proptest!` blocks too: those without `#[ignore]`. Each with the rows that it
/// shows, from a line `// Rows: A1, B2` above its attributes.
fn tests_in(source: &str) -> Vec<(&str, Vec<&str>)> {
    let mut found = Vec::new();
    let (mut is_test, mut is_ignored, mut rows) = (false, false, "");
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            is_ignored |= line.starts_with("#[ignore");
        } else if let Some(named) = line.strip_prefix("// Rows: ") {
            rows = named;
        } else if let Some(name) = function(line) {
            if is_test && !is_ignored {
                found.push((name, rows.split(", ").filter(|row| !row.is_empty()).collect()));
            }
            (is_test, is_ignored, rows) = (false, false, "");
        }
    }
    found
}

/// The tricks that `clients` and `servers` play, as `clients::trick`: each shows its own rows.
fn tricks() -> Vec<(String, Vec<&'static str>)> {
    let of = |module: &str, side| {
        let played = Trick::from_side(side).filter(|&trick| !conformance::plays(trick));
        let name = |trick: Trick| format!("{module}::{}", trick.name().replace(['-', '.'], "_"));
        played.map(|trick| (name(trick), trick.rows().split(' ').collect())).collect::<Vec<_>>()
    };
    [of("clients", Side::Client), of("servers", Side::Server)].concat()
}

/// The rows shown by these tests.
///
/// # Panics
///
/// A test names a row that the catalogue does not have.
fn shown_by<'a>(tests: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>) -> Shown {
    let ids: BTreeSet<String> = all_ids().into_iter().collect();
    let mut shown = Shown::new();
    for (name, rows) in tests {
        // Invariants have a table of their own.
        for row in rows.into_iter().filter(|row| !row.starts_with('I')) {
            assert!(ids.contains(row), "{name} names the row {row}, which the catalogue does not have");
            shown.entry(row.to_owned()).or_default().insert(name.to_owned());
        }
    }
    shown
}

/// The cells of a line that is a row of the catalogue: id, fault, expected, tests, kind.
fn row(line: &str) -> Option<[&str; 5]> {
    let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let cells: [&str; 5] = inner.split(" | ").collect::<Vec<_>>().try_into().ok()?;
    let number = cells[0].strip_prefix(|c: char| c.is_ascii_uppercase())?;
    number.parse::<u32>().is_ok().then_some(cells)
}

/// The tests column of a row.
fn column(id: &str, shown: &Shown) -> String {
    let names = shown.get(id).into_iter().flatten().map(|name| format!("`{name}`"));
    let column = names.collect::<Vec<_>>().join("<br>");
    if column.is_empty() { NONE.to_owned() } else { column }
}

/// The page with its tests column as generated.
fn written(page: &str, shown: &Shown) -> String {
    let lines = page.lines().map(|line| match row(line) {
        Some([id, fault, expected, _, kind]) => {
            format!("| {id} | {fault} | {expected} | {} | {kind} |\n", column(id, shown))
        }
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// Faults of the page, a line each.
fn faults(page: &str, shown: &Shown) -> Vec<String> {
    let rows: Vec<[&str; 5]> = page.lines().filter_map(row).collect();
    let ids: Vec<&str> = rows.iter().map(|cells| cells[0]).collect();
    let mut faults = Vec::new();
    if ids != all_ids() {
        faults.push(format!("the rows are not those of the catalogue in their order: {ids:?}"));
    }
    for [id, fault, expected, tests, kind] in rows {
        if [fault, expected, kind].iter().any(|cell| cell.trim().is_empty()) {
            faults.push(format!("{id} has an empty cell"));
        }
        if !shown.contains_key(id) {
            faults.push(format!("{id} is shown by no test"));
        }
        let right = column(id, shown);
        if tests != right {
            faults.push(format!("{id} names {tests}; its tests are {right}"));
        }
    }
    faults
}

#[test]
fn faults_page_lists_exactly_the_tests_that_carry_its_rows() {
    let sources: Vec<String> =
        sources(&root()).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let tricks = tricks();
    let tricks = tricks.iter().map(|(name, rows)| (name.as_str(), rows.clone()));
    let shown = shown_by(sources.iter().flat_map(|source| tests_in(source)).chain(tricks));
    let path = root().join("docs/faults.md");
    let mut page = fs::read_to_string(&path).unwrap();
    if std::env::var_os("MINIMODEL_UPDATE_DOCS").is_some() {
        page = written(&page, &shown);
        fs::write(&path, &page).unwrap();
    }
    println!("figure: rows_with_tests={}", shown.len());
    let faults = faults(&page, &shown);
    let hint = "the tests column is written by MINIMODEL_UPDATE_DOCS=1; see the head of this file";
    assert!(faults.is_empty(), "{}\n{hint}", faults.join("\n"));
}

#[test]
fn the_check_of_the_page_can_fail() {
    assert_eq!(all_ids().len(), 106);
    let tests: Vec<(String, String)> =
        all_ids().into_iter().map(|id| (format!("{}_holds", id.to_lowercase()), id)).collect();
    let all = || tests.iter().map(|(name, id)| (name.as_str(), vec![id.as_str()]));
    let shown = shown_by(all());
    let empty: String = all_ids().iter().map(|id| format!("| {id} | fault | expected | — | U |\n")).collect();
    let good = written(&empty, &shown);
    assert_eq!(faults(&good, &shown), Vec::<String>::new());
    let bad = [
        good.replace("| B1 |", "| B23 |"),
        good.replace("| B1 | fault | expected |", "| B1 | fault | more | expected |"),
        good.replace("`b1_holds`", "`b1_gone`"),
        good.replace("`b1_holds`", "`b1_holds`<br>`b2_holds`"),
        good.replace("`b1_holds`", NONE),
        good.replace("| `b1_holds` | U |", "| `b1_holds` |  |"),
        good.replace("| B1 | fault | expected | `b1_holds` | U |\n", ""),
    ];
    for page in bad {
        assert!(!faults(&page, &shown).is_empty(), "{page}");
    }
    // A test that the page does not name, and a row that no test shows any more.
    let more = shown_by(all().chain([("too", vec!["I4", "C1", "B1"])]));
    assert_eq!(faults(&good, &more).len(), 2);
    let less = shown_by(all().filter(|(name, _)| *name != "g6_holds"));
    assert_eq!(faults(&written(&good, &less), &less), ["G6 is shown by no test"]);
}

#[test]
fn only_tests_that_run_count_with_the_rows_above_them() {
    let source = "// Rows: A1, B2\n#[test]\nfn x() {\n    fn y() {}\n}\n// Rows: A3\n#[test]\n#[ignore = \"slow\"]\nfn z() {}\n\
                  proptest! {\n    // Rows: A4\n    #[test]\n    fn p(\n        n in 0..4_u32,\n    ) {}\n}\
                  \n#[tokio::test]\nasync fn t() {}\n/// #[test]\nfn u() {}\n";
    assert_eq!(tests_in(source), [("x", vec!["A1", "B2"]), ("p", vec!["A4"]), ("t", vec![])]);
}

/// Names that say what is tested are short; the rows of the catalogue stand beside them.
#[test]
fn no_test_has_a_name_of_more_than_sixty_characters() {
    let mut long = Vec::new();
    for path in sources(&root()) {
        let source = fs::read_to_string(&path).unwrap();
        let names = tests_in(&source).into_iter().map(|(name, _)| name).filter(|name| name.len() > MAX_NAME);
        long.extend(names.map(|name| format!("{}: {name}", path.display())));
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}
