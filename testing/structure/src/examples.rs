//! The public types of a library, and whether the documentation of each has an example that is compiled.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Attribute, Expr, ExprLit, Ident, Item, ItemUse, Lit, Meta, UseTree, Visibility};

use super::source::Source;

/// Info strings of a code block that rustdoc compiles; blocks of any other are no examples.
const COMPILED: [&str; 4] = ["", "rust", "no_run", "should_panic"];

/// Every struct, enum, union, trait and type alias that the public paths of the library in folder `of` lead to, as
/// `folder::module::Name`, and whether it has an example. A type of another crate has it at the `pub use` that names it here.
pub fn examples(sources: &[Source], of: &str) -> BTreeMap<String, bool> {
    let ours = sources.iter().filter(|source| source.of == of);
    let modules = ours.map(|source| (source.module.clone(), source)).collect();
    let mut walk = Walk { modules, visited: BTreeSet::new(), found: BTreeMap::new() };
    walk.visit(&[]);
    walk.found
}

struct Walk<'a> {
    modules: BTreeMap<Vec<String>, &'a Source>,
    visited: BTreeSet<Vec<String>>,
    found: BTreeMap<String, bool>,
}

/// A name that a `use` declaration brings into a module: from where, as which, and under which name.
pub(super) struct Import {
    pub(super) path: Vec<String>,
    pub(super) original: String,
    pub(super) name: String,
}

impl<'a> Walk<'a> {
    /// Goes through a module that others reach.
    fn visit(&mut self, module: &[String]) {
        let Some(source) = self.modules.get(module).copied() else { return };
        if !self.visited.insert(module.to_vec()) {
            return;
        }
        for item in &source.file.items {
            match item {
                Item::Mod(inner) if is_public(&inner.vis) => self.visit(&below(module, &inner.ident)),
                Item::Use(item) if is_public(&item.vis) => {
                    imports(item).iter().for_each(|import| self.follow(source, import, &item.attrs));
                }
                _ => self.note(source, item, None),
            }
        }
    }

    /// Looks for the type that a public import leads to.
    fn follow(&mut self, source: &'a Source, import: &Import, attributes: &[Attribute]) {
        match self.resolve(&source.module, &import.path) {
            Some(module) if import.original == "*" => self.visit(&module),
            Some(module) => self.look_up(&module, &import.original),
            None if is_type_name(&import.name) => {
                self.found.insert(named(source, &import.name), has_example(attributes));
            }
            None => {}
        }
    }

    /// Looks for a type in a module that need not be public itself.
    fn look_up(&mut self, module: &[String], name: &str) {
        let Some(source) = self.modules.get(module).copied() else { return };
        for item in &source.file.items {
            if let Item::Use(item) = item {
                let meant = imports(item).into_iter().filter(|import| import.name == name);
                meant.for_each(|import| self.follow(source, &import, &item.attrs));
            } else {
                self.note(source, item, Some(name));
            }
        }
    }

    /// Notes an item if it is a public type, and of this name if one is given.
    fn note(&mut self, source: &Source, item: &Item, name: Option<&str>) {
        let (visibility, ident, attributes) = match item {
            Item::Struct(item) => (&item.vis, &item.ident, &item.attrs),
            Item::Enum(item) => (&item.vis, &item.ident, &item.attrs),
            Item::Union(item) => (&item.vis, &item.ident, &item.attrs),
            Item::Trait(item) => (&item.vis, &item.ident, &item.attrs),
            Item::Type(item) => (&item.vis, &item.ident, &item.attrs),
            _ => return,
        };
        if is_public(visibility) && name.is_none_or(|name| ident == name) {
            self.found.insert(named(source, &ident.to_string()), has_example(attributes));
        }
    }

    /// The module that a path leads to; `None` for one of another crate.
    fn resolve(&self, from: &[String], path: &[String]) -> Option<Vec<String>> {
        let (first, mut rest) = path.split_first()?;
        let mut module = from.to_vec();
        match first.as_str() {
            "crate" => module.clear(),
            "self" => {}
            "super" => {
                module.pop();
                while let Some(("super", after)) =
                    rest.split_first().map(|(word, after)| (word.as_str(), after))
                {
                    module.pop();
                    rest = after;
                }
            }
            child => module.push(child.to_owned()),
        }
        module.extend(rest.iter().cloned());
        self.modules.contains_key(&module).then_some(module)
    }
}

/// True for a name in the case of types; functions and constants have others.
fn is_type_name(name: &str) -> bool {
    name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase)
}

pub(super) fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn below(module: &[String], ident: &Ident) -> Vec<String> {
    module.iter().cloned().chain([ident.to_string()]).collect()
}

fn named(source: &Source, name: &str) -> String {
    let module = source.module.iter().map(String::as_str);
    [source.of].into_iter().chain(module).chain([name]).collect::<Vec<_>>().join("::")
}

pub(super) fn imports(item: &ItemUse) -> Vec<Import> {
    let mut found = Vec::new();
    flatten(&item.tree, &mut Vec::new(), &mut found);
    found
}

fn flatten(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Import>) {
    let import =
        |original: String, name: String, path: &[String]| Import { path: path.to_vec(), original, name };
    match tree {
        UseTree::Path(inner) => {
            path.push(inner.ident.to_string());
            flatten(&inner.tree, path, found);
            path.pop();
        }
        UseTree::Name(name) => found.push(import(name.ident.to_string(), name.ident.to_string(), path)),
        UseTree::Rename(name) => found.push(import(name.ident.to_string(), name.rename.to_string(), path)),
        UseTree::Glob(_) => found.push(import("*".to_owned(), "*".to_owned(), path)),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, path, found)),
    }
}

/// True if a doc comment has a code block that rustdoc compiles.
fn has_example(attributes: &[Attribute]) -> bool {
    let mut is_open = false;
    let mut has_compiled = false;
    for line in attributes.iter().filter_map(doc_line) {
        let Some(info) = line.trim().strip_prefix("```") else { continue };
        has_compiled |= !is_open && info.split(',').all(|word| COMPILED.contains(&word.trim()));
        is_open = !is_open;
    }
    has_compiled
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
