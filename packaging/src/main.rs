//! `minimodel-packaging FOLDER`: writes what packages hold beside the program.

use std::path::Path;
use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "a tool of the build, which tells its builder")]
fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: minimodel-packaging FOLDER");
        return ExitCode::from(2);
    };
    match minimodel_packaging::write(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write into {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
