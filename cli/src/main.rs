//! The program `minimodel`; all of it is in the library beside it.

fn main() -> std::process::ExitCode {
    minimodel_cli::main()
}
