//! What packages hold beside the program: man pages and completions, made from the command line itself, and the unit of the
//! companion, made by the code of `minimodel companion install`.

use std::fs;
use std::io;
use std::path::Path;

use clap_complete::Shell;

/// Where packages put the program.
pub const INSTALLED: &str = "/usr/bin/minimodel";

/// Shells with completions; each finds its file by another name.
pub const SHELLS: [(Shell, &str); 4] = [
    (Shell::Bash, "minimodel.bash"),
    (Shell::Elvish, "minimodel.elv"),
    (Shell::Fish, "minimodel.fish"),
    (Shell::Zsh, "_minimodel"),
];

/// Writes `man/`, `completions/` and `systemd/` into a folder, which is created.
///
/// # Errors
///
/// The system's error of the first folder or file that cannot be written.
pub fn write(to: &Path) -> io::Result<()> {
    let (man, completions, systemd) = (to.join("man"), to.join("completions"), to.join("systemd"));
    for folder in [&man, &completions, &systemd] {
        fs::create_dir_all(folder)?;
    }
    clap_mangen::generate_to(minimodel_cli::command(), &man)?;
    for (shell, name) in SHELLS {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut minimodel_cli::command(), "minimodel", &mut script);
        fs::write(completions.join(name), script)?;
    }
    fs::write(systemd.join("minimodel-companion.service"), minimodel_cli::companion_unit(INSTALLED))
}
