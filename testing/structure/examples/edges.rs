//! Prints everything beyond the bounds, and for each circle the names that hold it together.

use std::path::Path;

use minimodel_structure::{cycles, edges, measure, shipped};

#[expect(clippy::print_stdout, reason = "it is what the example is for")]
fn main() -> Result<(), String> {
    let sources = shipped(Path::new("."))?;
    let measured = measure(&sources);
    measured.fields.iter().filter(|(_, n)| **n > 15).for_each(|(name, n)| println!("fields {n} {name}"));
    measured
        .parameters
        .iter()
        .filter(|(_, n)| **n > 5)
        .for_each(|(name, n)| println!("parameters {n} {name}"));
    measured.spread.iter().filter(|(_, files)| files.len() > 6).for_each(|(name, files)| {
        println!("files {} {name}", files.len());
    });
    for circle in cycles(&sources) {
        println!("circle {circle}");
        for edge in edges(&sources, &circle) {
            println!("    {edge}");
        }
    }
    Ok(())
}
