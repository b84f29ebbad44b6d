//! Cycles between sibling modules. Two modules of one parent form a cycle when each names the other, directly or over
//! further siblings; a parent may name its children, and children their parent's items.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{ItemUse, UseName, UseRename, UseTree};

use super::source::Source;

/// The siblings that each sibling names, by the parent's path.
type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Every group of sibling modules that depend on each other in a circle, as `parent: a, b, c`, sorted.
pub fn cycles(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for (parent, edges) in graph(sources) {
        for group in circles(&edges) {
            found.push(format!("{parent}: {}", group.into_iter().collect::<Vec<_>>().join(", ")));
        }
    }
    found
}

/// The names that hold a circle of [`cycles`] together: `file names path`.
pub fn edges(sources: &[Source], circle: &str) -> Vec<String> {
    let Some((parent, members)) = circle.split_once(": ") else { return Vec::new() };
    let members: BTreeSet<&str> = members.split(", ").collect();
    let of_circle = |named: &Named<'_>| {
        named.parent == parent && members.contains(named.from.as_str()) && members.contains(named.to.as_str())
    };
    let found: BTreeSet<String> = names(sources)
        .into_iter()
        .filter(of_circle)
        .map(|named| format!("{} -> {}: {} names {}", named.from, named.to, named.file, named.path))
        .collect();
    found.into_iter().collect()
}

fn graph(sources: &[Source]) -> Graph {
    let mut graph = Graph::new();
    for Named { parent, from, to, .. } in names(sources) {
        graph.entry(parent).or_default().entry(from).or_default().insert(to);
    }
    graph
}

/// A path in a file that leads from one sibling to another.
struct Named<'a> {
    parent: String,
    from: String,
    to: String,
    file: &'a str,
    path: String,
}

fn names(sources: &[Source]) -> Vec<Named<'_>> {
    let modules: BTreeSet<Vec<String>> =
        sources.iter().map(|source| whole(source.of, &source.module)).collect();
    let mut found = Vec::new();
    for source in sources {
        for path in named_paths(&source.file) {
            let Some(target) = resolve(source, &path, &modules) else { continue };
            let from = whole(source.of, &source.module);
            let common = from.iter().zip(&target).take_while(|(a, b)| a == b).count();
            // One of the two is an ancestor of the other.
            let (Some(a), Some(b)) = (from.get(common), target.get(common)) else { continue };
            let parent = from.get(..common).unwrap_or_default().join("::");
            let (from, to, path) = (a.clone(), b.clone(), path.join("::"));
            found.push(Named { parent, from, to, file: &source.path, path });
        }
    }
    found
}

fn whole(of: &str, module: &[String]) -> Vec<String> {
    [of.to_owned()].into_iter().chain(module.iter().cloned()).collect()
}

/// The module that a path of this file leads to; `None` for one of another crate.
fn resolve(source: &Source, path: &[String], modules: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let mut at = whole(source.of, &source.module);
    let mut rest = path.iter().peekable();
    match rest.peek().map(|word| word.as_str()) {
        Some("crate") => {
            at.truncate(1);
            rest.next();
        }
        Some("self") => {
            rest.next();
        }
        Some("super") => {
            while rest.next_if(|word| *word == "super").is_some() {
                at.pop();
            }
        }
        _ => return None,
    }
    for word in rest {
        at.push(word.clone());
        if !modules.contains(&at) {
            at.pop();
            break;
        }
    }
    Some(at)
}

/// The strongly connected groups of more than one module.
fn circles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reach = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(next) = open.pop() {
            for to in edges.get(next).into_iter().flatten() {
                if seen.insert(to.clone()) {
                    open.push(to);
                }
            }
        }
        seen
    };
    let all: BTreeMap<&String, BTreeSet<String>> = edges.keys().map(|from| (from, reach(from))).collect();
    let mut groups = BTreeSet::new();
    for (from, reached) in &all {
        let back = |to: &&String| all.get(*to).is_some_and(|there| there.contains(*from));
        let group: BTreeSet<String> = reached.iter().filter(back).cloned().collect();
        if group.len() > 1 {
            groups.insert(group);
        }
    }
    groups.into_iter().collect()
}

/// The paths that a file names, in `use` declarations and in code; not those in the arguments of macros.
pub(super) fn named_paths(file: &syn::File) -> Vec<Vec<String>> {
    let mut paths = Paths::default();
    paths.visit_file(file);
    paths.0
}

#[derive(Default)]
struct Paths(Vec<Vec<String>>);

impl Paths {
    fn add(&mut self, tree: &UseTree, before: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add(&path.tree, before);
                before.pop();
            }
            UseTree::Name(UseName { ident }) | UseTree::Rename(UseRename { ident, .. }) => {
                self.0.push(before.iter().cloned().chain([ident.to_string()]).collect());
            }
            UseTree::Glob(_) => self.0.push(before.clone()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add(tree, before)),
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}
