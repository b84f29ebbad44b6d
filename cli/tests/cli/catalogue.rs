//! Comparison of `docs/faults.md` with the tests of the whole tree: all rows of the catalogue are there, each names
//! at
//! least one test, and a row names a test exactly when the test's name begins with the row's id.
//!
//! A test shows a row by its name: ids first, each with its underscore, then words (`e6_e18_a_receipt_without_room`).
//! Names also begin with invariants (`i4_`); prefixes that are no row id are ignored. The tests column is generated:
//!
//! ```sh
//! MINIMODEL_UPDATE_DOCS=1 cargo test -p minimodel-cli --test cli catalogue
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Sections of the catalogue and how many rows each has: 100 in all.
const SECTIONS: [(char, u32); 8] =
    [('A', 12), ('B', 22), ('C', 8), ('D', 15), ('E', 18), ('F', 7), ('G', 6), ('H', 12)];

/// Tests column of a row that no test shows.
const NONE: &str = "—";

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

/// Tests of a source that run by default, in `proptest!` blocks too: those without `#[ignore]`.
fn tests_in(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            is_ignored |= line.starts_with("#[ignore");
        } else if let Some(name) = function(line) {
            if is_test && !is_ignored {
                found.push(name);
            }
            (is_test, is_ignored) = (false, false);
        }
    }
    found
}

/// Row ids at the beginning of a test name, as the page spells them: a letter and a number each.
fn ids_of(name: &str) -> Vec<String> {
    let is_id = |word: &str| {
        let number = word.strip_prefix(|c: char| c.is_ascii_lowercase());
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    name.split('_').take_while(|word| is_id(word)).map(str::to_uppercase).collect()
}

/// The row ids shown by tests with these names.
fn shown_by<'a>(names: impl IntoIterator<Item = &'a str>) -> Shown {
    let rows: BTreeSet<String> = all_ids().into_iter().collect();
    let mut shown = Shown::new();
    for name in names {
        for id in ids_of(name).into_iter().filter(|id| rows.contains(id)) {
            shown.entry(id).or_default().insert(name.to_owned());
        }
    }
    shown
}

/// The cells of a line that is a row of the catalogue: id, fault, expected, tests, kind.
fn row(line: &str) -> Option<[&str; 5]> {
    let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let cells: [&str; 5] = inner.split(" | ").collect::<Vec<_>>().try_into().ok()?;
    (ids_of(&cells[0].to_lowercase()) == [cells[0]]).then_some(cells)
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
fn the_page_of_faults_names_exactly_the_tests_that_carry_its_rows() {
    let sources: Vec<String> =
        sources(&root()).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let shown = shown_by(sources.iter().flat_map(|source| tests_in(source)));
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
    assert_eq!(all_ids().len(), 100);
    let names: Vec<String> = all_ids().iter().map(|id| format!("{}_holds", id.to_lowercase())).collect();
    let shown = shown_by(names.iter().map(String::as_str));
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
    let more = shown_by(names.iter().map(String::as_str).chain(["i4_c1_b1_too"]));
    assert_eq!(faults(&good, &more).len(), 2);
    let less = shown_by(names.iter().map(String::as_str).filter(|name| *name != "g6_holds"));
    assert_eq!(faults(&written(&good, &less), &less), ["G6 is shown by no test"]);
}

#[test]
fn only_tests_that_run_count_and_only_by_the_beginning_of_their_names() {
    let source = "#[test]\nfn a1_x() {\n    fn a2_x() {}\n}\n#[test]\n#[ignore = \"slow\"]\nfn a3_x() {}\n\
                  proptest! {\n    #[test]\n    fn a4_x(\n        n in 0..4_u32,\n    ) {}\n}\
                  \n#[tokio::test]\nasync fn a5_x() {}\n/// #[test]\nfn a6_x() {}\n";
    assert_eq!(tests_in(source), ["a1_x", "a4_x", "a5_x"]);
    assert_eq!(ids_of("e6_e18_a_receipt_of_b1_data"), ["E6", "E18"]);
    assert_eq!(ids_of("a_b1_too_late"), Vec::<String>::new());
    assert_eq!(shown_by(["g9_larger_worlds", "i6_few", "b23_none"]), Shown::new());
}
