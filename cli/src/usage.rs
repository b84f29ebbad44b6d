//! Handles a command line that clap refused: help and version are answers, all else is a failure like any other.

use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use crate::args::{Cli, ColorChoice, Global, ProgressChoice};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::{Context, Environment};

/// The global flags for a command line that could not be parsed.
pub(crate) fn global_flags(environment: &Environment) -> Global {
    Global {
        json: environment.wants_json,
        quiet: false,
        verbose: false,
        progress: ProgressChoice::Auto,
        color: ColorChoice::Auto,
    }
}

/// Prints help or the version as the answer; everything else is exit code 2.
pub(crate) fn answer(error: &clap::Error, context: &Context) -> Result<(), Failure> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => context.printer.answer_bytes(text.as_bytes()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            context.printer.note(text.trim_end());
            let hint = "begin with `minimodel demo`, or read `minimodel --help`";
            Err(Failure::new(Exit::Usage, "the command line names no verb", hint))
        }
        _ => Err(failure(&text, &verb_of(std::env::args_os()))),
    }
}

/// The words of a command line that name its verb, the program first: `minimodel manifest create`.
fn verb_of(words: impl IntoIterator<Item = OsString>) -> String {
    let mut command = Cli::command();
    let mut verb = vec![command.get_name().to_owned()];
    for word in words.into_iter().skip(1) {
        if let Some(found) = command.find_subcommand(&word).cloned() {
            verb.push(found.get_name().to_owned());
            command = found;
        }
    }
    verb.join(" ")
}

/// Makes a failure of clap's text: `error: ...`, perhaps tips, `Usage: ...`, and a pointer to the help. `typed`: the
/// verb, for a text without usage.
fn failure(text: &str, typed: &str) -> Failure {
    let mut paragraphs = text.split("\n\n").map(|paragraph| {
        let lines = paragraph.lines().map(str::trim).filter(|line| !line.is_empty());
        escape::harmless(&lines.collect::<Vec<_>>().join(" "))
    });
    let error = paragraphs.next().unwrap_or_default();
    let error = error.strip_prefix("error: ").unwrap_or(&error).to_owned();
    let mut tips = Vec::new();
    let mut usage = None;
    for paragraph in paragraphs {
        if let Some(line) = paragraph.strip_prefix("Usage: ") {
            usage = Some(line.to_owned());
        } else if !paragraph.starts_with("For more information") && !paragraph.is_empty() {
            tips.push(paragraph.strip_prefix("tip: ").unwrap_or(&paragraph).to_owned());
        }
    }
    // `minimodel manifest create [OPTIONS] ...`: the words before the first argument name the verb.
    let is_word = |word: &&str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
    };
    let verb: Vec<&str> = usage.as_deref().unwrap_or_default().split(' ').take_while(is_word).collect();
    let verb = if verb.is_empty() { typed.to_owned() } else { verb.join(" ") };
    let failure = Failure::new(Exit::Usage, error, format!("see `{verb} --help`"));
    match (tips.is_empty(), usage) {
        (false, _) => failure.because(tips.join("; ")),
        (true, Some(usage)) => failure.because(format!("the usage is `{usage}`")),
        (true, None) => failure,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn failure_of(words: &[&str]) -> Failure {
        let error = Cli::try_parse_from(words.iter().copied()).unwrap_err();
        failure(&error.render().to_string(), &verb_of(words.iter().map(OsString::from)))
    }

    /// clap prints no usage for these errors.
    #[test]
    fn missing_or_wrong_value_names_the_verb_whose_help_to_read() {
        for (words, verb) in [
            (&["minimodel", "fetch", "m", "--out"][..], "minimodel fetch"),
            (&["minimodel", "--json", "manifest", "create", "--model-id"], "minimodel manifest create"),
            (&["minimodel", "--color"], "minimodel"),
            (&["minimodel", "fetch", "m", "--up", "fast"], "minimodel fetch"),
            (&["minimodel", "consent", "revoke", "x"], "minimodel consent revoke"),
        ] {
            assert_eq!(failure_of(words).hint, format!("see `{verb} --help`"), "{words:?}");
        }
    }

    #[test]
    fn a_usage_failure_names_the_verb_whose_help_to_read() {
        let unknown = failure_of(&["minimodel", "fetch", "--frobnicate", "m"]);
        assert_eq!(unknown.class, Exit::Usage);
        assert!(unknown.error.contains("--frobnicate"), "{unknown:?}");
        assert_eq!(unknown.hint, "see `minimodel fetch --help`");
        let missing = failure_of(&["minimodel", "manifest", "create"]);
        assert!(missing.error.contains("--publisher-id"), "{missing:?}");
        assert_eq!(missing.hint, "see `minimodel manifest create --help`");
    }

    #[test]
    fn a_wrong_value_is_told_with_its_rule() {
        let failure = failure_of(&["minimodel", "sample", "x", "--bytes", "64MB"]);
        assert!(
            failure.error.contains("64MiB") || failure.error.contains("MiB instead of MB"),
            "{failure:?}"
        );
    }

    // Rows: D8
    #[test]
    fn hostile_words_come_out_harmless() {
        let failure = failure_of(&["minimodel", "fetch", "--\u{1b}[2J\u{202e}", "m"]);
        assert!(!failure.error.contains(['\u{1b}', '\u{202e}']), "{failure:?}");
    }
}
