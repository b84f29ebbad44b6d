//! The routes. Each is written once, together with its description in the OpenAPI document, so the two cannot differ.

mod consent;
mod library;
mod system;
mod transfers;

use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::answer::{Api, Refusal};
use crate::api::{events, metrics};
use crate::problem::code;

pub use library::{Fitted, Kept};

/// All routes.
pub(crate) fn all() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(system::healthz))
        .routes(routes!(system::openapi))
        .routes(routes!(metrics::metrics))
        .routes(routes!(events::events))
        .routes(routes!(system::status))
        .routes(routes!(system::stop))
        .routes(routes!(system::limits, system::set_limits))
        .routes(routes!(system::moved))
        .routes(routes!(system::doctor))
        .routes(routes!(transfers::share))
        .routes(routes!(transfers::fetch))
        .routes(routes!(transfers::transfers))
        .routes(routes!(transfers::transfer, transfers::forget))
        .routes(routes!(transfers::answer))
        .routes(routes!(transfers::start))
        .routes(routes!(transfers::pause))
        .routes(routes!(transfers::limit))
        .routes(routes!(consent::announcement, consent::announce, consent::unannounce))
        .routes(routes!(consent::announcements))
        .routes(routes!(consent::grants, consent::grant))
        .routes(routes!(consent::revoke))
        .routes(routes!(consent::consent_log))
        .routes(routes!(consent::verify_log))
        .routes(routes!(library::library, library::add))
        .routes(routes!(library::entry, library::remove))
        .routes(routes!(library::manifest))
        .routes(routes!(library::verify))
        .routes(routes!(library::pin, library::unpin))
        .routes(routes!(library::activate))
        .routes(routes!(library::prune))
        .routes(routes!(library::rollback))
        .routes(routes!(library::fits))
}

/// Answers a request to an unknown route.
pub(crate) async fn unknown() -> Refusal {
    let hint = "GET /v1/openapi.json names all routes; docs/api.md tells of them";
    Refusal::new(StatusCode::NOT_FOUND, code::NOT_FOUND, "there is no such route", hint)
}

/// Answers a request to a route that does not take its method.
pub(crate) async fn wrong_method() -> Refusal {
    let hint = "GET /v1/openapi.json names the methods of each route";
    let error = "this route does not take this method";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, code::USAGE, error, hint)
}
