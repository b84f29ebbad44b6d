//! The way from the command line to the companion.

use minimodel_companion::{Problem, Service};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Context;

/// Whoever answers for the companion.
pub(crate) fn service(_context: &Context) -> Result<Box<dyn Service>, Failure> {
    Err(Failure::new(Exit::Unexpected, "there is no companion", "start it: `minimodel companion start`"))
}

/// A problem of the companion as a failure of the verb.
pub(crate) fn failure(problem: Problem) -> Failure {
    let failure = Failure::new(Exit::Unexpected, problem.error, problem.hint);
    match problem.cause {
        Some(cause) => failure.because(cause),
        None => failure,
    }
}
