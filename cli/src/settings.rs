//! Resolves flags and environment into the settings of the verbs.
//!
//! The environment is read here and nowhere else (clap reads the `MINIMODEL_*` equivalents of flags).

use std::ffi::OsString;
use std::io::{IsTerminal as _, stderr, stdin, stdout};
use std::path::PathBuf;

use minimodel::Home;

use crate::args::{ColorChoice, Global, ProgressChoice};
use crate::os;
use crate::printer::{OutputMode, Printer};
use crate::service::Variables;

/// Environment variables that name the folders; an empty one counts as not set.
#[derive(Clone, Debug, Default)]
struct FolderVariables {
    /// `MINIMODEL_HOME`: one folder for everything, wins over the others.
    minimodel_home: Option<OsString>,
    /// The folder of the user's own files ([`os::HOME_VARIABLE`]).
    home: Option<OsString>,
    /// `XDG_DATA_HOME`; relative ones are ignored, as the XDG text demands.
    xdg_data: Option<OsString>,
    /// `XDG_STATE_HOME`.
    xdg_state: Option<OsString>,
}

impl FolderVariables {
    /// Finds the folders: `MINIMODEL_HOME`, or else the XDG folders. Nothing is created.
    fn resolve(&self) -> Home {
        let path = |variable: &Option<OsString>| {
            variable.as_ref().filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        if let Some(home) = path(&self.minimodel_home) {
            return Home::at(home);
        }
        let home = path(&self.home);
        let xdg = |variable: &Option<OsString>, default: &str| {
            let base = path(variable).filter(|base| base.is_absolute());
            let named = base.map(|base| base.join("minimodel"));
            named.or_else(|| home.as_ref().map(|home| home.join(default)))
        };
        Home::of(xdg(&self.xdg_data, os::DATA_FOLDER), xdg(&self.xdg_state, os::STATE_FOLDER))
    }
}

/// Environment of the process: variables and terminals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    folder_variables: FolderVariables,
    service: Variables,
    has_no_color: bool,
    has_dumb_terminal: bool,
    stdin_is_terminal: bool,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    /// True if a command line that cannot be parsed asks for JSON all the same.
    pub(crate) wants_json: bool,
}

impl Environment {
    /// Reads the environment.
    pub(crate) fn read() -> Self {
        #[cfg(debug_assertions)]
        arm_kill();
        let variable = |name: &str| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
        Self {
            folder_variables: FolderVariables {
                minimodel_home: variable("MINIMODEL_HOME"),
                home: variable(os::HOME_VARIABLE),
                xdg_data: variable("XDG_DATA_HOME"),
                xdg_state: variable("XDG_STATE_HOME"),
            },
            service: Variables::read(variable),
            has_no_color: variable("NO_COLOR").is_some(),
            has_dumb_terminal: variable("TERM").is_some_and(|term| term == "dumb"),
            stdin_is_terminal: stdin().is_terminal(),
            stdout_is_terminal: stdout().is_terminal(),
            stderr_is_terminal: stderr().is_terminal(),
            wants_json: wants_json(),
        }
    }
}

/// Sets the step at which a crash test kills this process (`docs/store.md`).
#[cfg(debug_assertions)]
fn arm_kill() {
    if let Ok(plan) = std::env::var("MINIMODEL_KILL_AT") {
        // An invalid plan kills nothing, and the test that set it notices.
        let _ = minimodel_swarm::store::kill_at(&plan);
    }
}

/// True if `--json` or `MINIMODEL_JSON` is set as clap would read it, whatever the rest of the command line is.
fn wants_json() -> bool {
    let mut words = std::env::args_os().skip(1).take_while(|word| word != "--");
    let falsy = ["", "0", "n", "no", "f", "false", "off"];
    let is_truthy = |value: String| !falsy.contains(&value.to_lowercase().as_str());
    words.any(|word| word == "--json") || std::env::var("MINIMODEL_JSON").is_ok_and(is_truthy)
}

/// How progress is shown, resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProgressStyle {
    /// A bar on stderr.
    Bar,
    /// A line on stderr every ten seconds.
    Plain,
    /// JSON objects.
    Json,
    /// Not at all.
    None,
}

/// Settings resolved from the global flags and the environment.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How the printer behaves.
    pub(crate) output_mode: OutputMode,
    /// `--progress` as given; [`Settings::progress`] resolves it.
    progress: ProgressChoice,
    stderr_takes_bars: bool,
    /// True if the user can be asked: stdin and stderr are a terminal and the output is not JSON.
    pub(crate) can_ask: bool,
}

impl Settings {
    /// Resolves flags against the environment.
    pub(crate) fn resolve(global: &Global, environment: &Environment) -> Self {
        let colours = |is_terminal: bool| match global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && !environment.has_no_color && !environment.has_dumb_terminal,
        };
        Self {
            output_mode: OutputMode {
                is_json: global.json,
                is_quiet: global.quiet,
                is_verbose: global.verbose,
                colours_stdout: colours(environment.stdout_is_terminal),
                colours_stderr: colours(environment.stderr_is_terminal),
            },
            progress: global.progress,
            stderr_takes_bars: environment.stderr_is_terminal && !environment.has_dumb_terminal,
            can_ask: environment.stdin_is_terminal && environment.stderr_is_terminal && !global.json,
        }
    }

    /// Resolves how progress is shown. `has_events`: the verb answers with a stream of events, to which JSON progress belongs.
    pub(crate) fn progress(&self, has_events: bool) -> ProgressStyle {
        match self.progress {
            ProgressChoice::Plain => ProgressStyle::Plain,
            ProgressChoice::Json => ProgressStyle::Json,
            ProgressChoice::None => ProgressStyle::None,
            ProgressChoice::Auto if self.output_mode.is_json && has_events => ProgressStyle::Json,
            ProgressChoice::Auto if self.output_mode.is_json || self.output_mode.is_quiet => {
                ProgressStyle::None
            }
            ProgressChoice::Auto if self.stderr_takes_bars => ProgressStyle::Bar,
            ProgressChoice::Auto => ProgressStyle::Plain,
        }
    }
}

/// Settings, printer and folders that every verb gets besides its own arguments.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The resolved settings.
    pub(crate) settings: Settings,
    /// Where answers and notes go.
    pub(crate) printer: std::sync::Arc<Printer>,
    /// Folders of this program's own files.
    pub(crate) home: Home,
    /// What a service of this user must be told.
    pub(crate) service: Variables,
}

impl Context {
    /// Resolves everything.
    pub(crate) fn new(global: &Global, environment: &Environment) -> Self {
        let settings = Settings::resolve(global, environment);
        let printer = std::sync::Arc::new(Printer::new(settings.output_mode));
        Self {
            settings,
            printer,
            home: environment.folder_variables.resolve(),
            service: environment.service.clone(),
        }
    }

    /// A context with the same folders for work in the background: it asks no question and prints no answer.
    pub(crate) fn unattended(&self) -> Self {
        let settings = Settings { can_ask: false, progress: ProgressChoice::None, ..self.settings.clone() };
        let printer = std::sync::Arc::new(Printer::mute());
        Self { settings, printer, home: self.home.clone(), service: self.service.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::exit::Exit;
    use crate::failure::Failure;

    fn set(value: &str) -> Option<OsString> {
        Some(value.into())
    }

    #[test]
    fn minimodel_home_wins_over_everything() {
        let variables = FolderVariables {
            minimodel_home: set("/m"),
            home: set("/h"),
            xdg_data: set("/x"),
            ..Default::default()
        };
        let home = variables.resolve();
        assert_eq!(home.data().unwrap(), Path::new("/m/data"));
        assert_eq!(home.state().unwrap(), Path::new("/m/state"));
    }

    #[test]
    fn xdg_folders_are_used_where_set_and_absolute() {
        let variables = FolderVariables {
            home: set("/h"),
            xdg_data: set("/x"),
            xdg_state: set("rel"),
            ..Default::default()
        };
        let home = variables.resolve();
        assert_eq!(home.data().unwrap(), Path::new("/x/minimodel"));
        assert_eq!(home.state().unwrap(), Path::new("/h/.local/state/minimodel"));
    }

    #[test]
    fn without_a_home_the_failure_names_the_variable() {
        let home = FolderVariables { minimodel_home: set(""), ..Default::default() }.resolve();
        let failure = Failure::from(home.data().unwrap_err());
        assert_eq!(failure.class, Exit::Io);
        assert!(failure.hint.contains("MINIMODEL_HOME"));
    }

    fn terminal() -> Environment {
        Environment {
            stdin_is_terminal: true,
            stdout_is_terminal: true,
            stderr_is_terminal: true,
            ..Environment::default()
        }
    }

    fn global() -> Global {
        Global {
            json: false,
            quiet: false,
            verbose: false,
            progress: ProgressChoice::Auto,
            color: ColorChoice::Auto,
        }
    }

    #[test]
    fn colour_flag_overrides_no_color_and_no_color_the_terminal() {
        let colours = |color, environment: &Environment| {
            Settings::resolve(&Global { color, ..global() }, environment).output_mode.colours_stderr
        };
        let no_color = Environment { has_no_color: true, ..terminal() };
        let dumb = Environment { has_dumb_terminal: true, ..terminal() };
        assert!(colours(ColorChoice::Auto, &terminal()));
        assert!(!colours(ColorChoice::Auto, &Environment::default()));
        assert!(!colours(ColorChoice::Auto, &no_color));
        assert!(!colours(ColorChoice::Auto, &dumb));
        assert!(colours(ColorChoice::Always, &no_color));
        assert!(!colours(ColorChoice::Never, &terminal()));
    }

    #[test]
    fn progress_style_is_bar_for_terminal_plain_for_log_json_on_ask() {
        let json = Global { json: true, ..global() };
        let quiet = Global { quiet: true, ..global() };
        let style = |global: &Global, environment: &Environment, events| {
            Settings::resolve(global, environment).progress(events)
        };
        assert_eq!(style(&global(), &terminal(), false), ProgressStyle::Bar);
        assert_eq!(style(&global(), &Environment::default(), true), ProgressStyle::Plain);
        assert_eq!(style(&json, &terminal(), true), ProgressStyle::Json);
        assert_eq!(style(&json, &terminal(), false), ProgressStyle::None);
        assert_eq!(style(&quiet, &terminal(), false), ProgressStyle::None);
        let asked = Global { progress: ProgressChoice::Json, ..quiet };
        assert_eq!(style(&asked, &terminal(), false), ProgressStyle::Json);
    }

    #[test]
    fn nobody_is_asked_off_a_terminal_or_under_json() {
        assert!(Settings::resolve(&global(), &terminal()).can_ask);
        assert!(!Settings::resolve(&global(), &Environment::default()).can_ask);
        assert!(!Settings::resolve(&Global { json: true, ..global() }, &terminal()).can_ask);
    }
}
