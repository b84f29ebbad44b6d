//! Figures of the shipped sources: fields of each struct, parameters of each function, files over which the methods of a
//! type are spread, and cycles between sibling modules. Tests of this crate hold the bounds.

mod measure;
mod modules;
mod source;

pub use measure::{Measured, measure};
pub use modules::{cycles, edges};
pub use source::{SHIPPED, Source, shipped};
