//! Figures of the shipped sources: fields of each struct, parameters of each function, files over which the methods of a
//! type are spread, cycles between sibling modules, and examples of public types. Tests of this crate hold the bounds.

mod examples;
mod measure;
mod modules;
mod source;

pub use examples::examples;
pub use measure::{Measured, measure};
pub use modules::{cycles, edges};
pub use source::{SHIPPED, Source, shipped};
