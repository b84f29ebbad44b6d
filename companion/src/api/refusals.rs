//! The statuses with which a route may refuse, as the OpenAPI document has them. Each route names those that follow from what it
//! does; those that follow from the rules of all routes are added here.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder, Schema};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::problem::Problem;

/// Every status of a refusal, and when it is given.
const WORDS: [(&str, &str); 15] = [
    ("400", "What is asked for cannot be; or the body is no JSON, or the query is wrong."),
    ("401", "The token is missing or wrong, or its session has ended; or the code is not good."),
    (
        "403",
        "Consent is missing or was refused; or a session of the page may not do this; or another site asks.",
    ),
    ("404", "Nothing has that id or name."),
    ("408", "The body did not come in time."),
    ("409", "Another process or transfer holds it."),
    ("412", "The manifest is not signed as is known of its publisher, and that was not accepted."),
    ("413", "The body is broken off, or too long."),
    ("415", "A body without `content-type: application/json`."),
    ("421", "The request is for another host."),
    ("422", "Bytes, a manifest, an offer or a record is not valid; or the body has another shape."),
    ("429", "A quota or rate rule was reached."),
    ("500", "A fault of the companion, or of the machine below it."),
    ("503", "The companion is ending, or there are too many requests at once."),
    ("507", "The disk is full, or a storage limit would be passed."),
];

/// Adds to a route the refusals that the rules of all routes bring, and fills in those that it names itself.
pub(crate) fn add(method: &str, operation: &mut Operation, is_open: bool) {
    let is_in = |parameter: &RefOr<Parameter>, place: &ParameterIn| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == *place);
    let has =
        |place: ParameterIn| operation.parameters.iter().flatten().any(|parameter| is_in(parameter, &place));
    let mut statuses = vec!["403", "421"];
    if has(ParameterIn::Query) {
        statuses.push("400");
    }
    if has(ParameterIn::Path) {
        statuses.push("404");
    }
    if !is_open {
        statuses.extend(["401", "500", "503"]);
    }
    if method != "GET" {
        // A body is read, and then a record is.
        statuses.extend(["400", "408", "409", "413", "415", "422", "507"]);
    }
    let responses = &mut operation.responses.responses;
    let (named, _): (Vec<_>, Vec<_>) =
        responses.keys().cloned().partition(|status| status.starts_with(['4', '5']));
    for status in statuses.into_iter().map(str::to_owned).chain(named) {
        let words = WORDS.iter().find(|(known, _)| *known == status).map_or("", |(_, words)| words);
        let problem = ResponseBuilder::new()
            .description(words)
            .content("application/json", Content::new(Some(Ref::from_schema_name(Problem::name()))));
        responses.insert(status, RefOr::T(problem.build()));
    }
}

/// The schema of a refusal.
pub(crate) fn schema() -> (String, RefOr<Schema>) {
    (Problem::name().into_owned(), Problem::schema())
}
