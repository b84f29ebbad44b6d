//! Commands of PowerShell that hints name. A `word` is quoted for the shell.
//!
//! Pure, and compiled for the tests of every system.

#![cfg_attr(not(windows), expect(unreachable_pub, reason = "other systems compile it for its tests alone"))]

/// Shows who may use a file or folder.
pub fn rights_command(word: &str) -> String {
    format!("icacls {word}")
}

/// Takes a folder with what will be in it, or else a file, from all other accounts: first the entries of its own list, then those
/// that it has from its folder.
pub fn close_command(word: &str, is_folder: bool) -> String {
    let all = all_rights(is_folder);
    format!("icacls {word} /reset; icacls {word} /inheritance:r /grant:r {all}")
}

/// Takes a folder from all other accounts: the right to write cannot be taken alone from whatever accounts a list names.
pub fn close_to_writers_command(word: &str) -> String {
    close_command(word, true)
}

/// Gives this user the use of a folder with what is in it, or else of a file.
pub fn open_to_user_command(word: &str, is_folder: bool) -> String {
    format!("icacls {word} /grant {}", all_rights(is_folder))
}

/// Shows the process with this id.
pub fn process_command(id: u32) -> String {
    format!("Get-Process -Id {id}")
}

/// Shows the processes whose command line has this text, which has no quotes in it.
pub fn processes_command(text: &str) -> String {
    format!(
        "Get-CimInstance Win32_Process | Where-Object CommandLine -like '*{text}*' | Select-Object ProcessId, CommandLine"
    )
}

/// All rights for this user.
fn all_rights(is_folder: bool) -> &'static str {
    if is_folder { r#""$(whoami):(OI)(CI)F""# } else { r#""$(whoami):F""# }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_no_command_of_another_system() {
        let all = [
            rights_command("x"),
            close_command("x", true),
            close_command("x", false),
            close_to_writers_command("x"),
            open_to_user_command("x", true),
            process_command(7),
            processes_command("companion run"),
        ];
        for command in all {
            let first = command.split(' ').next().unwrap_or_default();
            assert!(["icacls", "Get-Process", "Get-CimInstance"].contains(&first), "{command}");
        }
        assert_eq!(
            close_command("'a b'", false),
            r#"icacls 'a b' /reset; icacls 'a b' /inheritance:r /grant:r "$(whoami):F""#
        );
    }
}
