//! The companion as a service of a user's session: a definition file, and the commands that hand it to the system's service
//! manager.
//!
//! Each manager has one file, which makes the text and names the commands. All three are compiled and tested on every
//! system: they are only text. Which of them is used follows from the system ([`Manager::of_this_system`]), and only the
//! verb (`verbs/service.rs`) writes the file and runs the commands.

mod aside;
mod launchd;
mod seal;
mod step;
mod systemd;
mod task;
mod variables;
mod xml;

use std::path::PathBuf;

pub(crate) use aside::{Aside, BEFORE, Taken, remarks_on_left};
pub(crate) use seal::{Found, look, sealed};
pub(crate) use step::Step;
pub(crate) use systemd::packaged_unit;
pub(crate) use variables::Variables;

use crate::os::{self, SYSTEM, System};

/// What a definition says about the companion that it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Job {
    /// Path of the program.
    pub(crate) program: String,
    /// Port of the companion's interface; 0: a free one.
    pub(crate) port: u16,
    /// Environment variables that name the folders of this program, where the user's session has set them.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// The user as the manager names one: a user id for launchd, `DOMAIN\name` for Windows. systemd needs none.
    pub(crate) user: String,
    /// File for the companion's messages, where the manager keeps no log of its own.
    pub(crate) log: String,
}

impl Job {
    /// Arguments of the program: `companion run`, and the port where one was chosen.
    fn arguments(&self) -> Vec<String> {
        let mut words = vec!["companion".to_owned(), "run".to_owned()];
        if self.port != 0 {
            words.extend(["--port".to_owned(), self.port.to_string()]);
        }
        words
    }
}

/// Commands around a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    /// Fails where the manager is missing or does not answer; changes nothing.
    pub(crate) probe: Step,
    /// Puts the file to use, starts the companion, and starts it with each later session.
    pub(crate) install: Vec<Step>,
    /// Ends the companion in good order and forgets the service; the file is still there.
    pub(crate) uninstall: Vec<Step>,
    /// Makes the manager notice that the file is gone.
    pub(crate) forget: Vec<Step>,
}

/// A definition, ready to be shown or installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The manager, as its users call it.
    pub(crate) manager: &'static str,
    /// Where the file goes.
    pub(crate) path: PathBuf,
    /// The whole file, with its seal.
    pub(crate) text: String,
    /// The commands.
    pub(crate) steps: Steps,
    /// The command that shows what the companion says.
    pub(crate) log: String,
    /// What a user should know besides.
    pub(crate) notes: Vec<String>,
}

/// Why no definition can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DefinitionError {
    /// A value that the file's format cannot hold.
    #[error("{manager} takes no {what} with {character:?} in it: {value}")]
    Character {
        /// The manager.
        manager: &'static str,
        /// Which value: `program`, or a variable.
        what: String,
        /// The first character that it does not take.
        character: char,
        /// The whole value.
        value: String,
    },
    /// The folder in which the manager looks is not known.
    #[error("the folder of definitions is not known: {variable} is not set to an absolute path")]
    Folder {
        /// The variable that would name it.
        variable: &'static str,
    },
    /// The account for which a task is made is not known.
    #[error("the account of this session is not known: USERNAME is not set")]
    Account,
}

/// A service manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    /// systemd's manager of a user's session.
    Systemd,
    /// launchd of macOS.
    Launchd,
    /// The Task Scheduler of Windows.
    TaskScheduler,
}

impl Manager {
    /// The manager of the system for which this program was compiled.
    pub(crate) fn of_this_system() -> Self {
        match SYSTEM {
            System::Linux => Self::Systemd,
            System::MacOs => Self::Launchd,
            System::Windows => Self::TaskScheduler,
        }
    }

    /// The user as this manager names one ([`Job::user`]).
    pub(crate) fn user(self, variables: &Variables) -> String {
        match self {
            Self::Systemd => String::new(),
            Self::Launchd => os::user_id(),
            Self::TaskScheduler => variables.account().unwrap_or_default().to_owned(),
        }
    }

    /// Makes the definition of `job`, for the folders that `variables` name.
    pub(crate) fn define(self, job: &Job, variables: &Variables) -> Result<Definition, DefinitionError> {
        match self {
            Self::Systemd => systemd::define(job, variables),
            Self::Launchd => launchd::define(job, variables),
            Self::TaskScheduler => task::define(job, variables),
        }
    }
}

/// Puts values into the places of a template, in one pass, so that no value is taken for a place.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let (mut out, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        out += before;
        let place = values.iter().find_map(|(name, value)| {
            let behind = after.strip_prefix(name)?.strip_prefix('}')?;
            Some((*value, behind))
        });
        let (text, behind) = place.unwrap_or(("{", after));
        out += text;
        rest = behind;
    }
    out + rest
}

/// Refuses a value with a character for which `is_refused` is true, or with a control character.
fn check(
    manager: &'static str,
    what: &str,
    value: &str,
    is_refused: impl Fn(char) -> bool,
) -> Result<(), DefinitionError> {
    match value.chars().find(|&character| character.is_control() || is_refused(character)) {
        None => Ok(()),
        Some(character) => Err(DefinitionError::Character {
            manager,
            what: what.to_owned(),
            character,
            value: value.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A job with every character that one of the formats must escape.
    pub(super) fn odd_job() -> Job {
        Job {
            program: "/opt/a b/50%/$HOME/é&<;>/minimodel".to_owned(),
            port: 4711,
            variables: vec![("MINIMODEL_HOME", "/srv/\"m\"\\50% & <é>".to_owned())],
            user: "501".to_owned(),
            log: "/srv/log & more".to_owned(),
        }
    }

    #[test]
    fn values_that_look_like_places_are_left_alone() {
        let values = [("a", "{b}"), ("b", "{a}")];
        assert_eq!(fill("{seal} {a} { {b}{", &values), "{seal} {b} { {a}{");
    }

    #[test]
    fn every_manager_refuses_control_characters() {
        let variables = Variables::for_tests("/home/a");
        for manager in [Manager::Systemd, Manager::Launchd, Manager::TaskScheduler] {
            let job = Job { program: "/a\nb".to_owned(), ..odd_job() };
            let error = manager.define(&job, &variables).unwrap_err();
            assert!(matches!(error, DefinitionError::Character { character: '\n', .. }), "{error}");
        }
    }

    #[test]
    fn every_definition_carries_the_seal_of_its_own_text() {
        let variables = Variables::for_tests("/home/a");
        for manager in [Manager::Systemd, Manager::Launchd, Manager::TaskScheduler] {
            let text = manager.define(&odd_job(), &variables).unwrap().text;
            assert!(seal::is_intact(&text), "{text}");
            assert!(!seal::is_intact(&text.replace("4711", "4712")), "{text}");
        }
    }
}
