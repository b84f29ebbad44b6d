//! Writes the first corpus of every target below a folder: `cargo run -p minimodel-fuzz --example seeds -- FOLDER`.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

fn main() -> io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("name a folder, such as testing/fuzz/corpus"));
    };
    let mut count = 0;
    for target in minimodel_fuzz::TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in minimodel_fuzz::seeds(target.name).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:03}")), seed)?;
            count += 1;
        }
    }
    writeln!(io::stdout(), "{count} files")
}
