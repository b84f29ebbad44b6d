//! Commands of a POSIX shell that hints name. A `word` is quoted for the shell.

/// Shows what has a name and who may use it.
pub fn rights_command(word: &str) -> String {
    format!("ls -ld {word}")
}

/// Takes a folder, or else a file, from all other accounts.
pub fn close_command(word: &str, is_folder: bool) -> String {
    format!("chmod {} {word}", if is_folder { "700" } else { "600" })
}

/// Takes from all other accounts the right to write to a folder.
pub fn close_to_writers_command(word: &str) -> String {
    format!("chmod go-w {word}")
}

/// Gives this user the use of a folder, or else of a file.
pub fn open_to_user_command(word: &str, is_folder: bool) -> String {
    format!("chmod {} {word}", if is_folder { "u+rwx" } else { "u+rw" })
}

/// Shows the process with this id.
pub fn process_command(id: u32) -> String {
    format!("ps -p {id}")
}

/// Shows the processes whose command line has this text, which has no quotes in it.
pub fn processes_command(text: &str) -> String {
    format!("pgrep -af '{text}'")
}
