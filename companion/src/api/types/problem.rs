//! The body of every refusal.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::form::resource;
use crate::problem;

/// A failure with its next step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The exit code of the command line that says the same; docs/cli.md has the table.
    pub code: u8,
    /// What failed, and for which object.
    pub error: String,
    /// Why, where more is known.
    pub cause: Option<String>,
    /// The next step.
    pub hint: String,
}

resource!(problem::Problem => Problem { code, error, cause, hint });
