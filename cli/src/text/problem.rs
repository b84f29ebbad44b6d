//! Problems of the companion's interface and failures of this process, each as the other.

use minimodel_companion::Problem;

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;

/// A problem as a failure of this process.
pub(crate) fn of_problem(problem: Problem) -> Failure {
    let class = Exit::from_code(problem.code).unwrap_or(Exit::Unexpected);
    let shown = |text: &str| escape::harmless(text);
    let failure = Failure::new(class, shown(&problem.error), shown(&problem.hint));
    match problem.cause {
        Some(cause) => failure.because(shown(&cause)),
        None => failure,
    }
}

/// A failure as a problem of the companion's interface.
pub(crate) fn problem(failure: Failure) -> Problem {
    Problem { code: failure.class.code(), error: failure.error, cause: failure.cause, hint: failure.hint }
}
