//! The routes. Each is written once, together with its description in the OpenAPI document, so the two cannot differ.

mod chunks;
mod consent;
mod folders;
mod library;
mod records;
mod sessions;
mod system;
mod transfers;

use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::answer::{Api, Input, Refusal};
use crate::api::types::{NewGrant, NewSession};
use crate::api::{events, metrics};
use crate::model::{Consent, Limits, NewEntry, NewFetch, NewShare, TransferLimits};
use crate::problem::code;

pub use library::{Fitted, Kept};
pub use records::Pinned;

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
        .routes(routes!(chunks::chunks))
        .routes(routes!(chunks::history))
        .routes(routes!(chunks::history_of_all))
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
        .routes(routes!(records::receipts))
        .routes(routes!(records::receipt))
        .routes(routes!(records::bans))
        .routes(routes!(records::lift_ban))
        .routes(routes!(records::publishers))
        .routes(routes!(records::forget_publisher))
        .routes(routes!(records::pin_publisher))
        .routes(routes!(records::offer))
        .routes(routes!(records::offer_picture))
        .routes(routes!(folders::files))
        .routes(routes!(folders::chosen_manifest))
        .routes(routes!(sessions::mint_code))
        .routes(routes!(sessions::sessions, sessions::open_session))
        .routes(routes!(sessions::end_session))
}

impl Input for Consent {
    fn consent(&mut self) -> Option<&mut Consent> {
        Some(self)
    }
}

impl Input for NewShare {
    fn consent(&mut self) -> Option<&mut Consent> {
        self.consent.as_mut()
    }
}

impl Input for NewFetch {
    fn consent(&mut self) -> Option<&mut Consent> {
        self.consent.as_mut()
    }
}

impl Input for NewGrant {
    fn consent(&mut self) -> Option<&mut Consent> {
        Some(&mut self.consent)
    }
}

impl Input for Fitted {}
impl Input for Kept {}
impl Input for Limits {}
impl Input for NewEntry {}
impl Input for NewSession {}
impl Input for Pinned {}
impl Input for TransferLimits {}

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
