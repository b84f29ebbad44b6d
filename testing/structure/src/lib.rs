//! Figures of the shipped sources: fields of each struct, parameters of each function, files over which the methods of a
//! type are spread, cycles between sibling modules, examples of public types, and types of an
//! interface that have no public path, and names of operating systems outside of their one place. Tests of this crate hold the bounds.

mod examples;
mod measure;
mod modules;
mod source;
mod systems;
mod unnameable;

pub use examples::examples;
pub use measure::{Measured, measure};
pub use modules::{cycles, edges};
pub use source::{SHIPPED, Source, shipped, simulation};
pub use systems::systems;
pub use unnameable::unnameable;
