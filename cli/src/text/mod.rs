//! The words, hints and exit codes of the library's errors: one function for each area, and none elsewhere.

mod identity;

use std::path::Path;

use minimodel::input::OpenError;
use minimodel::private::Exposed;
use minimodel::{Error, HomeError};
use minimodel_companion::Problem;

use crate::companion;
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Home(error) => error.into(),
            Error::Identity(error) => error.into(),
            other => Self::unexpected("cannot go on", &anyhow::Error::new(other)),
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
            HomeError::Exposed(exposed) => companion::failure(Problem::from(exposed)),
        }
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
