//! The generated files: one man page a verb, completions that know the verbs, a unit for the packaged program.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by failing")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::Command;
use minimodel_packaging::{SHELLS, write};

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The names of a command and of all below it, joined as man pages are named.
fn pages(name: &str, command: &Command) -> Vec<String> {
    let below = command.get_subcommands().flat_map(|sub| pages(&format!("{name}-{}", sub.get_name()), sub));
    [name.to_owned()].into_iter().chain(below).collect()
}

#[test]
fn every_verb_has_a_man_page_and_no_other_is_there() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path()).unwrap();
    let wanted: BTreeSet<String> =
        pages("minimodel", &minimodel_cli::command()).iter().map(|name| format!("{name}.1")).collect();
    assert!(wanted.len() > 50 && wanted.contains("minimodel-companion-install.1"), "{wanted:?}");
    assert_eq!(names(&folder.path().join("man")), wanted);
    for name in &wanted {
        let page = fs::read_to_string(folder.path().join("man").join(name)).unwrap();
        for part in [".TH ", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
            assert!(page.contains(part), "{name} lacks {part}:\n{page}");
        }
    }
}

#[test]
fn completions_of_every_shell_name_a_verb_of_each_depth() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path()).unwrap();
    for (_, name) in SHELLS {
        let script = fs::read_to_string(folder.path().join("completions").join(name)).unwrap();
        assert!(script.contains("verify-artifact") && script.contains("uninstall"), "{name}");
    }
    assert_eq!(names(&folder.path().join("completions")).len(), SHELLS.len());
}

#[test]
fn packaged_unit_starts_the_packaged_program() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path()).unwrap();
    let unit = fs::read_to_string(folder.path().join("systemd/minimodel-companion.service")).unwrap();
    assert!(unit.contains("\nExecStart=/usr/bin/minimodel companion run\n"), "{unit}");
}
