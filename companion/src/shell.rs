//! Command lines in hints, for people to paste.

use std::path::Path;

use minimodel_swarm::os::{SHELL_PLAIN, SHELL_QUOTE};

/// A path as one word of a shell line; a path that needs quotes gets them.
pub(crate) fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || SHELL_PLAIN.contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', SHELL_QUOTE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_whatever_it_is_called() {
        for (path, expected) in [
            ("/home/a-b/state_1", "/home/a-b/state_1"),
            ("/home/my models", "'/home/my models'"),
            ("it's; rm -rf $HOME", r"'it'\''s; rm -rf $HOME'"),
            ("", "''"),
        ] {
            assert_eq!(word(Path::new(path)), expected);
        }
    }
}
