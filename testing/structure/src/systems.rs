//! Names of operating systems, outside of the one place of each crate that may differ by system: its module `os`.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};
use syn::{Attribute, LitStr, Macro, Meta};

use super::modules::named_paths;
use super::source::Source;

/// What a condition of compilation may not ask. The processor may be asked, which is no system.
const CONDITIONS: [&str; 7] =
    ["unix", "windows", "target_os", "target_family", "target_vendor", "target_env", "target_abi"];

/// Paths that lead to one system, by their first words.
const PATHS: [&[&str]; 11] = [
    &["std", "os"],
    &["core", "os"],
    &["rustix"],
    &["libc"],
    &["nix"],
    &["windows_sys"],
    &["winapi_util"],
    &["terminal_size"],
    &["anstyle_query"],
    &["tokio", "signal", "unix"],
    &["tokio", "signal", "windows"],
];

/// Folders that only some systems have.
const FOLDERS: [&str; 2] = ["/proc/", "/sys/"];

/// Every use of a system outside of the modules `os`, as `file: what`.
pub fn systems(sources: &[Source]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources.iter().filter(|source| source.module.first().is_none_or(|first| first != "os")) {
        let mut uses = Uses::default();
        uses.visit_file(&source.file);
        for path in named_paths(&source.file) {
            uses.look_at(&path);
        }
        found.extend(uses.0.into_iter().map(|what| format!("{}: {what}", source.path)));
    }
    found
}

#[derive(Default)]
struct Uses(Vec<String>);

impl Uses {
    fn look_at(&mut self, path: &[String]) {
        let begins =
            |with: &&&[&str]| path.len() >= with.len() && path.iter().zip(with.iter()).all(|(a, b)| a == b);
        if PATHS.iter().any(|with| begins(&with)) {
            self.0.push(path.join("::"));
        }
    }

    fn look_at_condition(&mut self, tokens: &str) {
        for word in words(tokens).filter(|word| CONDITIONS.contains(word)) {
            self.0.push(format!("cfg({word})"));
        }
    }
}

/// The identifiers in a text of tokens; strings in it count by their words.
fn words(tokens: &str) -> impl Iterator<Item = &str> {
    tokens.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta
            && (list.path.is_ident("cfg") || list.path.is_ident("cfg_attr"))
        {
            self.look_at_condition(&list.tokens.to_string());
        }
        // Texts of documentation are no code.
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let tokens = call.tokens.to_string();
        if call.path.is_ident("cfg") {
            self.look_at_condition(&tokens);
        }
        // The arguments of a macro are no parsed paths: each run of words joined by `::` is one.
        for run in tokens
            .replace(" :: ", "::")
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != ':')
        {
            let path: Vec<String> = run.split("::").map(str::to_owned).collect();
            self.look_at(&path);
        }
        visit::visit_macro(self, call);
    }

    fn visit_lit_str(&mut self, text: &'ast LitStr) {
        let text = text.value();
        if FOLDERS.iter().any(|folder| text.starts_with(folder)) {
            self.0.push(format!("{text:?}"));
        }
    }
}
