//! The words, hints and exit codes of the library's errors: one function for each area, and none elsewhere.

mod identity;
mod problem;
mod report;
mod swarm;
mod transfer;
mod way;

use std::path::Path;

use minimodel::bans::BansError;
use minimodel::check::CheckError;
use minimodel::checks::{Miss, NotRecorded};
use minimodel::consent::ConsentError;
use minimodel::input::OpenError;
use minimodel::private::Exposed;
use minimodel::{Error, HomeError};
use minimodel_companion::Problem;

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;

pub(crate) use self::problem::{of_problem, problem};
pub(crate) use self::report::{not_the_artifact, of_report};
pub(crate) use self::swarm::{driver, source_changed, stopped, store};
pub(crate) use self::transfer::{layout, not_served, output};
pub(crate) use self::way::way_event;

/// What a verb says that needs a running companion.
pub(crate) fn no_companion() -> Failure {
    let hint = "start one: `minimodel companion start`";
    Failure::new(Exit::NotFound, "no companion runs in this home folder", hint)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Home(error) => error.into(),
            Error::Identity(error) => error.into(),
            Error::Bans(error) => error.into(),
            Error::Check(error) => check("model file", error),
            Error::Consent(error) => consent(error),
            Error::Publisher(error) => of_problem(Problem::from(error)),
            Error::Fetch(error) => error.into(),
            Error::Share(error) => error.into(),
            Error::Repair(error) => error.into(),
            Error::Target(error) => error.into(),
            Error::Offer(error) => error.into(),
            Error::MissingConsent(error) => error.into(),
            Error::NotTheArtifact { path, report } => not_the_artifact(&path, &report),
            Error::Cancelled => stopped_by_signal(),
            Error::Start(error) => error.into(),
            unknown => other(unknown),
        }
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        match error {
            HomeError::Unknown(which) => Self::new(
                Exit::Io,
                format!("the {which} folder of minimodel is not known"),
                "set MINIMODEL_HOME to a folder of your own: `export MINIMODEL_HOME=/path/to/folder`",
            )
            .because("neither MINIMODEL_HOME nor HOME is set"),
            HomeError::Exposed(exposed) => of_problem(Problem::from(exposed)),
        }
    }
}

impl From<BansError> for Failure {
    fn from(error: BansError) -> Self {
        match error {
            BansError::Home(error) => error.into(),
            BansError::Read { path, source } => Self::reading("record of bans", &path, &source),
            BansError::Write { path, source } => Self::writing("record of bans", &path, &source),
            BansError::NoThread(error) => Self::unexpected("cannot start a transfer", &error.into()),
        }
    }
}

/// The failure when a signal stopped a transfer.
pub(crate) fn stopped_by_signal() -> Failure {
    stopped(interrupt::came().unwrap_or(Exit::Interrupted))
}

/// A full check that could not be made; `what` names the file: `artifact`, `model file`.
pub(crate) fn check(what: &str, error: CheckError) -> Failure {
    match error {
        CheckError::Open { path, source } => not_opened(what, &path, &source),
        CheckError::Store(error) => store(&error),
        CheckError::Read { path, source } => Failure::reading(what, &path, &source),
        CheckError::Stopped => interrupt::failure().unwrap_or_else(|| stopped(Exit::Stopped)),
    }
}

/// A consent that could not be recorded, or a log that cannot be used.
pub(crate) fn consent(error: ConsentError) -> Failure {
    match error {
        ConsentError::Home(error) => error.into(),
        ConsentError::Io { doing: "read", path, source } => Failure::reading("consent log", &path, &source),
        ConsentError::Io { path, source, .. } => Failure::writing("consent log", &path, &source),
        error => of_problem(Problem::from(error)),
    }
}

/// Why a file is read although it may have been checked before.
pub(crate) fn miss(miss: &Miss) -> String {
    match miss {
        Miss::Asked => "it was asked for with --recheck".to_owned(),
        Miss::NoFolder => "no folder for records is known: neither MINIMODEL_HOME nor HOME is set".to_owned(),
        other => other.to_string(),
    }
}

/// Why a check is not recorded.
pub(crate) fn not_recorded(why: NotRecorded) -> String {
    match why {
        NotRecorded::Home(error) => Failure::from(error).error,
        other => other.to_string(),
    }
}

/// A file that was not opened; `what` names it: `manifest`, `artifact`.
pub(crate) fn not_opened(what: &str, path: &Path, error: &OpenError) -> Failure {
    match error {
        OpenError::Io(error) => Failure::reading(what, path, error),
        OpenError::NotAFile(kind) => Failure::new(
            Exit::Io,
            format!("cannot read the {what} `{}`", escape::path(path)),
            format!("name an ordinary file as the {what}"),
        )
        .because(format!("it is {kind}")),
    }
}

/// Why other accounts can replace files in a folder that the user named.
pub(crate) fn shared_folder(exposed: Exposed) -> String {
    match exposed {
        Exposed::Foreign { owner, .. } => format!("it belongs to user {owner}"),
        Exposed::Mode(_) => exposed.to_string(),
    }
}

/// An error that a later version of the library has.
fn other(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::unexpected("cannot go on", &anyhow::Error::new(error))
}
