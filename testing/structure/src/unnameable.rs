//! Types that stand in the public interface of a library, and that a program which uses it cannot name.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Fields, ImplItem, Item, ItemImpl, Signature, TraitItem, Type, TypePath, Visibility};

use super::examples::{Import, imports, is_public};
use super::source::Source;

/// A type of the workspace: the folder of its crate, its modules, its name.
type Path = Vec<String>;

/// Where a path leads.
enum Target {
    /// To an item of the workspace.
    Ours(Path),
    /// Into another crate.
    Foreign(Path),
}

/// Every type that the public interface of the library in folder `of` mentions, directly or as what the types of the crates below that
/// it re-exports have and give, and that none of its public paths leads to, with one of the items that mention it. Types of
/// the standard library are everybody's.
pub fn unnameable(sources: &[Source], of: &str) -> BTreeMap<String, String> {
    let modules: BTreeMap<Path, &Source> = sources.iter().map(|source| (whole(source), source)).collect();
    let uses = modules.iter().map(|(path, source)| (path.clone(), uses_of(source))).collect();
    let mut walk = Walk { modules, uses, visited: BTreeSet::new(), named: BTreeSet::new() };
    walk.visit(&[of.to_owned()]);
    let methods = walk.methods();
    let mut found = BTreeMap::new();
    for item in &walk.named {
        for mentioned in walk.mentioned(item, &methods, of) {
            let path = match mentioned {
                Target::Ours(path) if !walk.named.contains(&path) => path,
                Target::Foreign(path) if !EVERYBODYS.contains(&path[0].as_str()) => path,
                _ => continue,
            };
            found.entry(path.join("::")).or_insert_with(|| item.join("::"));
        }
    }
    found
}

/// Crates whose types need no other path.
const EVERYBODYS: [&str; 3] = ["std", "core", "alloc"];
/// Longest chain of `use` declarations.
const MOST_IMPORTS: usize = 16;

struct Walk<'a> {
    modules: BTreeMap<Path, &'a Source>,
    /// The imports of each module.
    uses: BTreeMap<Path, Vec<Import>>,
    visited: BTreeSet<Path>,
    /// What public paths lead to.
    named: BTreeSet<Path>,
}

impl Walk<'_> {
    /// Goes through a module that others reach.
    fn visit(&mut self, module: &[String]) {
        let Some(source) = self.modules.get(module).copied() else { return };
        if !self.visited.insert(module.to_vec()) {
            return;
        }
        for item in &source.file.items {
            match item {
                Item::Mod(inner) if is_public(&inner.vis) => {
                    self.visit(&below(module, &inner.ident.to_string()));
                }
                Item::Use(item) if is_public(&item.vis) => {
                    for Import { path, original, .. } in imports(item) {
                        match self.resolve(module, &below(&path, &original), 0) {
                            Some(Target::Ours(path)) if self.modules.contains_key(&path) => self.visit(&path),
                            Some(Target::Ours(path)) => drop(self.named.insert(path)),
                            _ => {}
                        }
                    }
                }
                _ => {
                    if let Some(name) = public_name(item) {
                        self.named.insert(below(module, &name));
                    }
                }
            }
        }
    }

    /// Where a path that stands in `module` leads; `None` for a name of the prelude, a generic parameter or an associated type.
    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<Target> {
        let (first, rest) = path.split_first().filter(|_| depth < MOST_IMPORTS)?;
        let mut base = module.to_vec();
        match first.as_str() {
            "crate" => base.truncate(1),
            "self" => {}
            "super" => drop(base.pop()),
            word => {
                if let Some(folder) = folder_of(word) {
                    base = vec![folder.to_owned()];
                } else if !rest.is_empty() && self.modules.contains_key(&below(module, word)) {
                    base.push(word.to_owned());
                } else {
                    return self.look_up(module, word, rest, depth);
                }
            }
        }
        match rest {
            [] => None,
            [word, ..] if word == "super" => self.resolve(&base, rest, depth),
            [word, after @ ..] => {
                let inner = below(&base, word);
                match self.modules.contains_key(&inner) {
                    true if after.is_empty() => Some(Target::Ours(inner)),
                    true => self.resolve(&inner, &below_self(after), depth),
                    false => self.look_up(&base, word, after, depth),
                }
            }
        }
    }

    /// The item `name` of a module, or what it imports as that.
    fn look_up(&self, module: &[String], name: &str, rest: &[String], depth: usize) -> Option<Target> {
        let source = self.modules.get(module)?;
        let is_it = |item: &Item| defined_name(item).is_some_and(|found| found == name);
        if source.file.items.iter().any(is_it) {
            return rest.is_empty().then(|| Target::Ours(below(module, name)));
        }
        let is_meant = |import: &Import| match import.original.as_str() {
            "self" => import.path.last().is_some_and(|last| last == name),
            _ => import.name == name,
        };
        let import = self.uses.get(module).and_then(|uses| uses.iter().find(|import| is_meant(import)));
        match import {
            Some(Import { path, original, .. }) => {
                let original = Some(original).filter(|original| *original != "self");
                let whole: Path = path.iter().chain(original).chain(rest).cloned().collect();
                let target = self.resolve(module, &whole, depth + 1);
                target.or_else(|| is_crate(&whole[0]).then_some(Target::Foreign(whole)))
            }
            None if !rest.is_empty() && is_crate(name) => {
                Some(Target::Foreign([name.to_owned()].into_iter().chain(rest.iter().cloned()).collect()))
            }
            // An item that a macro makes.
            None if depth > 0 => Some(Target::Ours(below(module, name))),
            None => None,
        }
    }

    /// The types that an item shows to those who can name it; `of`: the library.
    fn mentioned(&self, item: &Path, methods: &Methods<'_>, of: &str) -> Vec<Target> {
        let Some((name, module)) = item.split_last() else { return Vec::new() };
        let Some(source) = self.modules.get(module) else { return Vec::new() };
        let are_all = item[0] == of;
        let mut paths = Paths { are_all, found: Vec::new() };
        let its = source.file.items.iter().filter(|found| defined_name(found).is_some_and(|it| it == *name));
        its.for_each(|item| paths.item(item));
        let mut found: Vec<Target> = self.all(module, &paths);
        for (at, item) in methods.get(item).into_iter().flatten() {
            let mut paths = Paths { are_all, found: Vec::new() };
            paths.methods(item);
            found.extend(self.all(at, &paths));
        }
        found
    }

    fn all(&self, module: &[String], paths: &Paths) -> Vec<Target> {
        paths.found.iter().filter_map(|path| self.resolve(module, path, 0)).collect()
    }

    /// The methods of every type, and where they stand.
    fn methods(&self) -> Methods<'_> {
        let mut found = Methods::new();
        for (at, source) in &self.modules {
            for item in &source.file.items {
                let Item::Impl(item) = item else { continue };
                let Type::Path(TypePath { path, .. }) = &*item.self_ty else { continue };
                if let Some(Target::Ours(of)) = self.resolve(at, &words(path), 0)
                    && of[0] == at[0]
                {
                    found.entry(of).or_default().push((at, item));
                }
            }
        }
        found
    }
}

/// Blocks of methods by type, each with its module.
type Methods<'a> = BTreeMap<Path, Vec<(&'a Path, &'a ItemImpl)>>;

/// The paths in what is public of an item.
struct Paths {
    /// True to take parameters too. Of a type of another crate a program meets what it has and gives.
    are_all: bool,
    found: Vec<Path>,
}

impl Paths {
    fn item(&mut self, item: &Item) {
        match item {
            Item::Struct(item) => self.fields(&item.fields, false),
            Item::Enum(item) => item.variants.iter().for_each(|variant| self.fields(&variant.fields, true)),
            Item::Type(item) => self.visit_type(&item.ty),
            Item::Fn(item) => self.visit_signature(&item.sig),
            Item::Const(item) => self.visit_type(&item.ty),
            Item::Trait(item) => {
                for item in &item.items {
                    if let TraitItem::Fn(method) = item {
                        self.visit_signature(&method.sig);
                    }
                }
            }
            _ => {}
        }
    }

    fn fields(&mut self, fields: &Fields, are_public: bool) {
        for field in fields.iter().filter(|field| are_public || is_public(&field.vis)) {
            self.visit_type(&field.ty);
        }
    }

    /// Public methods, and the types that a trait asks for, such as an error or an item.
    fn methods(&mut self, item: &ItemImpl) {
        for inner in &item.items {
            match inner {
                ImplItem::Fn(method) if is_public(&method.vis) => self.visit_signature(&method.sig),
                ImplItem::Type(inner) => self.visit_type(&inner.ty),
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.found.push(words(path));
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_signature(&mut self, signature: &'ast Signature) {
        self.visit_return_type(&signature.output);
        if self.are_all {
            signature.inputs.iter().for_each(|input| self.visit_fn_arg(input));
            self.visit_generics(&signature.generics);
        }
    }
}

fn words(path: &syn::Path) -> Path {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

fn uses_of(source: &Source) -> Vec<Import> {
    let uses = source.file.items.iter().filter_map(|item| match item {
        Item::Use(item) => Some(item),
        _ => None,
    });
    uses.flat_map(imports).collect()
}

fn whole(source: &Source) -> Path {
    below_all(source.of, &source.module)
}

fn below_all(of: &str, module: &[String]) -> Path {
    [of.to_owned()].into_iter().chain(module.iter().cloned()).collect()
}

fn below(module: &[String], name: &str) -> Path {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

fn below_self(rest: &[String]) -> Path {
    below_all("self", rest)
}

/// The folder of a crate of the workspace.
fn folder_of(word: &str) -> Option<&str> {
    if word == "minimodel" { Some("node") } else { word.strip_prefix("minimodel_") }
}

fn is_crate(word: &str) -> bool {
    word.starts_with(char::is_lowercase)
}

/// The name of a type, function or constant, whoever may use it.
fn defined_name(item: &Item) -> Option<String> {
    visible_name(item).map(|(_, name)| name)
}

fn public_name(item: &Item) -> Option<String> {
    visible_name(item).filter(|(visibility, _)| is_public(visibility)).map(|(_, name)| name)
}

fn visible_name(item: &Item) -> Option<(&Visibility, String)> {
    let (visibility, ident) = match item {
        Item::Struct(item) => (&item.vis, &item.ident),
        Item::Enum(item) => (&item.vis, &item.ident),
        Item::Trait(item) => (&item.vis, &item.ident),
        Item::Type(item) => (&item.vis, &item.ident),
        Item::Fn(item) => (&item.vis, &item.sig.ident),
        Item::Const(item) => (&item.vis, &item.ident),
        _ => return None,
    };
    Some((visibility, ident.to_string()))
}
