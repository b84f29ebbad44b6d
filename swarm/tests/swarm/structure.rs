//! Bounds on the shape of the machine: how many files share its methods, how many fields a struct has, how many parameters
//! a function takes. Each exception is named with its reason; an exception that is not needed any more fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::tidy::{crate_dir, sources_below, without_comments};

/// Files with methods of the machine itself; everything else is a part that it holds.
const MOST_FILES: usize = 6;
/// Files with methods of any other type.
const MOST_FILES_OF_A_PART: usize = 3;
const MOST_FIELDS: usize = 15;
/// Parameters beside `self`.
const MOST_PARAMETERS: usize = 5;

/// Structs with more fields, each with its reason.
const MANY_FIELDS: [(&str, &str); 1] = [("Limits", "a table of constants, each used by itself")];

/// Functions with more parameters, or with a tuple as a parameter, each with its reason.
const MANY_PARAMETERS: [(&str, &str); 0] = [];

#[test]
fn the_machine_is_made_of_parts_within_bounds() {
    let sources = sources();
    let files: Vec<&str> =
        sources.iter().filter(|(_, code)| has_methods_of(code, "Machine")).map(|(name, _)| &**name).collect();
    println!("figure: files_with_impl_machine={}", files.len());
    assert!(files.len() <= MOST_FILES, "methods of the machine are in {files:?}, at most {MOST_FILES} files");
    let mut breaks = Vec::new();
    let mut known: Vec<&str> = Vec::new();
    for (name, code) in &sources {
        for (what, fields) in structs(code) {
            if MANY_FIELDS.iter().any(|(allowed, _)| *allowed == what) {
                known.extend((fields > MOST_FIELDS).then_some("field"));
            } else if fields > MOST_FIELDS {
                breaks.push(format!("{name}: struct {what} has {fields} fields, at most {MOST_FIELDS}"));
            }
            let files = sources.iter().filter(|(_, code)| has_methods_of(code, &what)).count();
            if what != "Machine" && files > MOST_FILES_OF_A_PART {
                breaks.push(format!("{name}: methods of {what} are in {files} files"));
            }
        }
        for (what, parameters) in functions(code) {
            let tuple = parameters.iter().find(|parameter| is_tuple(parameter));
            let is_allowed = MANY_PARAMETERS.iter().any(|(allowed, _)| *allowed == what);
            if is_allowed {
                known.extend((parameters.len() > MOST_PARAMETERS || tuple.is_some()).then_some("parameter"));
            } else if parameters.len() > MOST_PARAMETERS {
                breaks.push(format!("{name}: {what} has {} parameters", parameters.len()));
            } else if let Some(tuple) = tuple {
                breaks.push(format!("{name}: {what} hides parameters in a tuple, {tuple}"));
            }
        }
    }
    assert!(breaks.is_empty(), "{}", breaks.join("\n"));
    assert_eq!(known.len(), MANY_FIELDS.len() + MANY_PARAMETERS.len(), "an exception is needed no more");
}

#[test]
fn no_modules_of_the_machine_import_each_other_in_a_circle() {
    let modules: BTreeMap<String, BTreeSet<String>> = sources()
        .iter()
        .filter_map(|(name, code)| Some((name.strip_suffix(".rs")?.to_owned(), imports(code))))
        .filter(|(name, _)| name != "mod")
        .collect();
    let circle = modules.keys().find(|name| reaches(&modules, name, name));
    assert!(circle.is_none(), "{circle:?} is in a circle: {:?}", circle.map(|name| &modules[name]));
    let of = |pairs: [(&str, &str); 3]| {
        pairs.map(|(from, to)| (from.to_owned(), BTreeSet::from([to.to_owned()]))).into_iter().collect()
    };
    assert!(reaches(&of([("a", "b"), ("b", "c"), ("c", "a")]), "a", "a"), "the check can fail");
    assert!(!reaches(&of([("a", "b"), ("b", "c"), ("c", "d")]), "a", "a"));
    assert_eq!(imports("use super::b::C;\nsuper::d::e();"), ["b", "d"].map(str::to_owned).into());
}

/// The modules of the same folder that the code names.
fn imports(code: &str) -> BTreeSet<String> {
    let names = code.split("super::").skip(1);
    names.map(|rest| rest.chars().take_while(|c| c.is_lowercase() || *c == '_').collect()).collect()
}

/// Returns true if `from` imports `to`, by way of others or not.
fn reaches(imports: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(name) = next.pop() {
        for import in imports.get(name).into_iter().flatten() {
            if import == to {
                return true;
            }
            if seen.insert(import) {
                next.push(import);
            }
        }
    }
    false
}

#[test]
fn the_count_of_fields_and_parameters_can_fail() {
    let code = "pub struct A {\n    pub(super) a: u32,\n    b: Vec<(u8, u8)>,\n}\nstruct B(u8);\nimpl<'m> A {\n\
                fn f(&mut self, now: Time, (a, b): (u8, u8), is: impl Fn(u8, u8) -> bool) {}\n}\n";
    assert_eq!(structs(code), [("A".to_owned(), 2)]);
    assert!(has_methods_of(code, "A") && !has_methods_of(code, "B"));
    let [(name, parameters)] = &functions(code)[..] else { panic!("one function") };
    assert_eq!((&**name, parameters.len()), ("f", 3));
    assert_eq!(parameters.iter().filter(|parameter| is_tuple(parameter)).count(), 1);
    assert_eq!(functions("fn g(a: (u8, u8)) {}")[0].1.iter().filter(|one| is_tuple(one)).count(), 1);
}

/// The name and the code of each file of the machine, without comments and tests.
fn sources() -> Vec<(String, String)> {
    let folder = crate_dir().join("src/machine");
    let is_test = |path: &Path| path.ends_with("tests.rs") || path.ends_with("harness.rs");
    let paths = sources_below(&folder).into_iter().filter(|path| !is_test(path));
    let source = |path: &Path| {
        let code = without_comments(&fs::read_to_string(path).unwrap());
        let shipped = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
        (path.strip_prefix(&folder).unwrap().display().to_string(), shipped)
    };
    let sources: Vec<_> = paths.map(|path| source(&path)).collect();
    assert!(sources.len() > 10, "the machine was not found");
    sources
}

/// Returns true if the code has a block of methods of this type.
fn has_methods_of(code: &str, name: &str) -> bool {
    let blocks = code.lines().filter_map(|line| line.strip_prefix("impl"));
    let types = blocks.filter(|rest| !rest.contains(" for "));
    types.into_iter().any(|rest| rest.split(|c: char| !c.is_alphanumeric()).any(|word| word == name))
}

/// Each struct with named fields, and how many it has.
fn structs(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let Some((_, rest)) = line.split_once("struct ").filter(|_| line.ends_with('{')) else { continue };
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
        let body = lines.by_ref().take_while(|line| *line != "}");
        found.push((name, body.filter(|line| line.contains(": ")).count()));
    }
    found
}

/// Each function, and its parameters but `self`.
fn functions(code: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for part in code.split("fn ").skip(1) {
        let name: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some(rest) = part.strip_prefix(&*name).map(skip_generics).and_then(|rest| rest.strip_prefix('('))
        else {
            continue;
        };
        if !name.is_empty() {
            found.push((name, parameters(rest)));
        }
    }
    found
}

fn skip_generics(rest: &str) -> &str {
    let end = rest.starts_with('<').then(|| rest.find(">(")).flatten();
    end.map_or(rest, |end| &rest[end + 1..])
}

/// The parameters of a function whose list begins `rest`.
fn parameters(rest: &str) -> Vec<String> {
    let (mut depth, mut found, mut one) = (0, Vec::new(), String::new());
    let mut before = ' ';
    for c in rest.chars() {
        let is_arrow = before == '-' && c == '>';
        before = c;
        match c {
            '(' | '[' | '<' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' => depth -= 1,
            '>' if !is_arrow => depth -= 1,
            ',' if depth == 0 => {
                found.push(std::mem::take(&mut one).trim().to_owned());
                continue;
            }
            _ => {}
        }
        one.push(c);
    }
    found.push(one.trim().to_owned());
    found.retain(|one| !one.is_empty() && !one.ends_with("self"));
    found
}

/// Returns true if a parameter is a tuple, by its pattern or by its type.
fn is_tuple(parameter: &str) -> bool {
    parameter.starts_with('(') || parameter.split_once(": ").is_some_and(|(_, kind)| kind.starts_with('('))
}
