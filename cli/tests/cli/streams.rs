//! stdout carries the answer, stderr is for people; pipes, signals, flags and variables.

use std::fs::{self, File};
use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use minimodel_skipped::skipped;
use rustix::process::{Pid, Signal, kill_process};

use crate::home::Home;

#[test]
fn help_and_version_are_answers() {
    let home = Home::new();
    for line in ["--help", "-h", "fetch --help", "manifest create --help"] {
        let ran = home.say(line).exits(0);
        assert!(ran.stdout.contains("Usage: minimodel") && ran.stderr.is_empty(), "{line}");
    }
    assert_eq!(home.say("--version").exits(0).stdout, format!("minimodel {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn no_verb_is_exit_2_with_the_help_on_stderr() {
    let ran = Home::new().run::<&str>([]).exits(2);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("minimodel demo"), "{}", ran.stderr);
}

#[test]
fn quiet_keeps_the_answer_and_drops_the_notes() {
    let home = Home::with_artifact();
    let ran = home.say("-q id show").exits(0);
    assert_eq!((ran.stdout.len(), ran.stderr.as_str()), (53, ""));
    let ran = home.say("-q verify-artifact a.minimodel none").exits(3);
    assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    home.say("-q -v id show").exits(2);
}

#[test]
fn variables_stand_in_for_global_flags_and_flags_win() {
    let home = Home::with_artifact();
    let run = |variable: &str, value: &str, words: &[&str]| {
        let output = home.command(words).env(variable, value).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), output.status.code())
    };
    assert!(run("MINIMODEL_JSON", "1", &["id", "show"]).0.starts_with('{'));
    assert!(!run("MINIMODEL_JSON", "0", &["id", "show"]).0.starts_with('{'));
    assert!(run("MINIMODEL_JSON", "true", &["--nonsense"]).0.starts_with("{\"event\":\"error\""));
    let coloured = |value, words: &[&str]| run("MINIMODEL_COLOR", value, words).0.contains('\u{1b}');
    assert!(coloured("always", &["verify-manifest", "a.minimodel"]));
    assert!(!coloured("always", &["--color", "never", "verify-manifest", "a.minimodel"]));
    assert_eq!(run("MINIMODEL_COLOR", "pink", &["id", "show"]).1, Some(2));
    assert!(!run("NO_COLOR", "1", &["verify-manifest", "a.minimodel"]).0.contains('\u{1b}'));
}

#[test]
fn quiet_on_the_line_wins_over_verbose_by_variable() {
    let home = Home::with_artifact();
    let run = |variables: &[(&str, &str)], flag: &str| {
        let output = home.command([flag, "id", "show"]).envs(variables.iter().copied()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&[("MINIMODEL_VERBOSE", "1")], "-q"), (Some(0), String::new()));
    for variables in [[("MINIMODEL_QUIET", "1")], [("MINIMODEL_QUIET", "0")]] {
        assert_eq!(run(&variables, "-v").0, Some(0), "{variables:?}");
    }
    let (code, told) = run(&[("MINIMODEL_QUIET", "1"), ("MINIMODEL_VERBOSE", "1")], "--color=never");
    assert!(code == Some(2) && told.contains("--quiet"), "{code:?} {told}");
}

#[test]
fn consent_has_no_variable() {
    let help = Home::new().say("fetch --help").exits(0).stdout;
    assert!(!help.contains("MINIMODEL_CONSENT") && !help.contains("--yes"), "{help}");
}

// Rows: G3
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = Home::new();
    let mut child = home.command(["completions", "zsh"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let home = Home::with_artifact();
    let mut child =
        home.command(["verify-artifact", "a.minimodel", "a.slm"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"pass");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_answer_that_cannot_be_written_is_exit_9() {
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        skipped("an answer that cannot be written; there is no /dev/full here");
        return;
    };
    let home = Home::new();
    let output = home.command(["completions", "bash"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(9));
    assert!(String::from_utf8(output.stderr).unwrap().contains("hint: make space"));
}

// Rows: G1
#[test]
fn a_signal_ends_a_verb_with_its_exit_code_and_leaves_nothing() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let home = Home::new();
        let mut command = home.command(["sample", "big.slm", "--bytes", "64GiB"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let has_begun =
            || fs::read_dir(home.path("")).unwrap().any(|entry| entry.unwrap().metadata().unwrap().len() > 0);
        while !has_begun() {
            assert!(Instant::now() < deadline, "nothing was written");
            std::thread::sleep(Duration::from_millis(5));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert!(stderr.contains("error: stopped by"), "{stderr}");
        assert_eq!(home.names(), Vec::<String>::new());
    }
}

#[test]
fn progress_json_off_the_answer_goes_to_stderr() {
    let home = Home::new();
    let ran = home.say("--progress json --json sample a.slm --bytes 500MiB").exits(0);
    assert_eq!(ran.object()["event"], "sample");
    for line in ran.stderr.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&event["event"], &event["label"]), (&"progress".into(), &"write".into()));
    }
}

// Rows: E7
#[test]
fn a_limit_on_file_sizes_is_exit_9_and_leaves_nothing() {
    let home = Home::new();
    let mut shell = std::process::Command::new("sh");
    let line = format!("ulimit -f 64; exec {} sample big.slm", crate::home::MINIMODEL);
    shell.args(["-c", &line]).current_dir(home.path("")).env_clear();
    let output = shell.env("MINIMODEL_HOME", home.own("")).output().unwrap();
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("ulimit -f"));
    assert_eq!(home.names(), Vec::<String>::new());
}
