//! The measured sources: every file of the crates below that is compiled into the program, or into the simulation of swarms,
//! without its tests.

use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, File, Item};

/// The crates that are compiled into the program.
pub const SHIPPED: [&str; 7] = ["wire", "verifier", "swarm", "reach", "node", "companion", "cli"];

/// The simulation of swarms, which is read as often as what it tests.
const SIMULATION: &str = "testing/sim";

/// One parsed file.
pub struct Source {
    /// The path from the root of the workspace, as in `swarm/src/machine/core.rs`.
    pub path: String,
    /// The crate's folder.
    pub of: &'static str,
    /// The path of its module below the crate root, as in `["machine", "core"]`; empty for `lib.rs` and `main.rs`.
    pub module: Vec<String>,
    /// The items, without those that only tests have.
    pub file: File,
}

/// Reads and parses all of them, in the order of their paths.
///
/// # Errors
///
/// A file that cannot be read, or that does not parse, with its path.
pub fn shipped(root: &Path) -> Result<Vec<Source>, String> {
    sources(root, &SHIPPED)
}

/// As [`shipped`], of the simulation.
///
/// # Errors
///
/// As [`shipped`].
pub fn simulation(root: &Path) -> Result<Vec<Source>, String> {
    sources(root, &[SIMULATION])
}

fn sources(root: &Path, crates: &[&'static str]) -> Result<Vec<Source>, String> {
    let mut found = Vec::new();
    for &of in crates {
        let folder = root.join(of).join("src");
        let mut files = Vec::new();
        list(&folder, &mut files)?;
        files.sort();
        for path in files {
            found.extend(read(root, of, &folder, &path)?);
        }
    }
    Ok(found)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let fault = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Parses a file; `None` for one that only tests have.
fn read(root: &Path, of: &'static str, folder: &Path, path: &Path) -> Result<Option<Source>, String> {
    let place = path.strip_prefix(folder).unwrap_or(path).with_extension("");
    let mut module: Vec<String> =
        place.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    if module.iter().any(|name| TEST_MODULES.contains(&name.as_str())) {
        return Ok(None);
    }
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut file = syn::parse_file(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    file.items.retain(|item| !is_of_tests(item));
    let path = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    Ok(Some(Source { path, of, module, file }))
}

/// Modules that stand in files of their own and are declared under `#[cfg(test)]`.
const TEST_MODULES: [&str; 2] = ["tests", "harness"];

/// True for an item that is compiled for tests alone.
fn is_of_tests(item: &Item) -> bool {
    let attributes: &[Attribute] = match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}
