//! Fields, parameters, and the files over which the methods of a type are spread.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{FnArg, ItemImpl, ItemStruct, Pat, Signature, Type};

use super::source::Source;

/// What was counted. Names are `crate::module::Name`.
#[derive(Debug, Default)]
pub struct Measured {
    /// Fields of each struct.
    pub fields: BTreeMap<String, usize>,
    /// Parameters of each function without `self`; a tuple counts as many as it has elements.
    pub parameters: BTreeMap<String, usize>,
    /// The files with inherent methods of each type.
    pub spread: BTreeMap<String, BTreeSet<String>>,
}

/// Counts in all sources.
pub fn measure(sources: &[Source]) -> Measured {
    let mut measured = Measured::default();
    for source in sources {
        let mut counter = Counter { source, measured: &mut measured, within: Vec::new() };
        counter.visit_file(&source.file);
    }
    measured
}

struct Counter<'a> {
    source: &'a Source,
    measured: &'a mut Measured,
    /// The type whose `impl` is being read.
    within: Vec<String>,
}

impl Counter<'_> {
    fn name(&self, last: &str) -> String {
        let module = self.source.module.iter().map(String::as_str);
        let within = self.within.iter().map(String::as_str);
        [self.source.of].into_iter().chain(module).chain(within).chain([last]).collect::<Vec<_>>().join("::")
    }

    fn count(&mut self, signature: &Signature) {
        let count = signature.inputs.iter().map(parameters).sum();
        let name = self.name(&signature.ident.to_string());
        self.measured.parameters.insert(name, count);
    }
}

/// One, or as many as a tuple has elements.
fn parameters(input: &FnArg) -> usize {
    let FnArg::Typed(input) = input else { return 0 };
    match (&*input.pat, &*input.ty) {
        (Pat::Tuple(_), Type::Tuple(tuple)) => tuple.elems.len(),
        _ => 1,
    }
}

impl<'ast> Visit<'ast> for Counter<'_> {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        let name = self.name(&item.ident.to_string());
        self.measured.fields.insert(name, item.fields.len());
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.count(&item.sig);
        visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let Type::Path(path) = &*item.self_ty else { return };
        let Some(of) = path.path.segments.last().map(|segment| segment.ident.to_string()) else { return };
        if item.trait_.is_none() {
            let key = format!("{}::{of}", self.source.of);
            self.measured.spread.entry(key).or_default().insert(self.source.path.clone());
        }
        self.within.push(of);
        visit::visit_item_impl(self, item);
        self.within.pop();
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.count(&item.sig);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.count(&item.sig);
    }
}
