//! The companion, for verbs: the one that runs, or else the one of this process.

use minimodel_companion::{Problem, Service};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Context;

/// Whoever answers for the companion of this home folder.
pub(crate) fn service(_context: &Context) -> Result<Box<dyn Service>, Failure> {
    let hint = "use the verbs that need none: `minimodel --help`";
    Err(Failure::new(Exit::Unexpected, "this build has no companion", hint))
}

/// A problem as the command line tells it.
pub(crate) fn failure(problem: Problem) -> Failure {
    let class = [
        Exit::Unexpected,
        Exit::Usage,
        Exit::NotFound,
        Exit::Verification,
        Exit::Consent,
        Exit::Stopped,
        Exit::DiskFull,
        Exit::Invalid,
        Exit::Busy,
        Exit::Quota,
        Exit::Io,
    ];
    let class = class.into_iter().find(|class| class.code() == problem.code).unwrap_or(Exit::Unexpected);
    let failure = Failure::new(class, problem.error, problem.hint);
    match problem.cause {
        Some(cause) => failure.because(cause),
        None => failure,
    }
}
