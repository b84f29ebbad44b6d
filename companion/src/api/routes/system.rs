//! Routes of the companion itself: health check, status, limits, transferred bytes, doctor, shutdown.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::api::answer::{Api, Connection, JsonBody, NoBody, Outcome, QueryParams, Refusal};
use crate::api::request::Caller;
use crate::api::routes::sessions::owner_alone;
use crate::model::{Finding, Limits, Moved, Status};
use crate::problem::code;

/// Days that `/v1/moved` reports if the query names no number.
const DAYS: u32 = 7;

/// The query of `/healthz`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Challenge {
    #[serde(default)]
    challenge: Option<String>,
}

/// The query of `/v1/moved`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Days {
    #[serde(default)]
    days: Option<u32>,
}

/// That somebody is here. With a challenge: the proof that it knows the token.
#[utoipa::path(
    get, path = "/healthz",
    params(("challenge" = Option<String>, Query, pattern = "^[0-9a-f]{64}$", description = "A nonce, 64 lowercase hex digits.")),
    responses((status = 200, content_type = "text/plain",
        body = String, description = "`ok`; with a challenge the proof, 64 lowercase hex digits."))
)]
pub(crate) async fn healthz(
    State(api): State<Api>,
    Extension(connection): Extension<Connection>,
    QueryParams(asked): QueryParams<Challenge>,
) -> Outcome<String> {
    let Some(nonce) = asked.challenge else { return Ok("ok\n".to_owned()) };
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if nonce.len() != 64 || !nonce.bytes().all(is_hex) {
        let hint = "send a fresh one, 64 lowercase hex digits";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, code::USAGE, "the challenge is no nonce", hint));
    }
    Ok(format!("{}\n", api.token.proof(connection.local, &nonce)))
}

/// This document.
#[utoipa::path(
    get, path = "/v1/openapi.json",
    responses((status = 200, content_type = "application/json", body = Object, description = "OpenAPI 3.1."))
)]
pub(crate) async fn openapi(State(api): State<Api>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], (api.document)()).into_response()
}

/// How everything stands.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = Status)))]
pub(crate) async fn status(State(api): State<Api>) -> Outcome<Json<Status>> {
    api.quick(|service| service.status()).await.map(Json)
}

/// Ends the companion in good order; what runs goes on with its next start. Not for a session of the page.
#[utoipa::path(post, path = "/v1/stop", responses((status = 204, description = "It ends.")))]
pub(crate) async fn stop(State(api): State<Api>, caller: Caller, _: NoBody) -> Outcome<StatusCode> {
    owner_alone(caller, "end the companion", "end it by `minimodel companion stop`")?;
    api.quick(|service| service.stop()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What holds for all transfers.
#[utoipa::path(get, path = "/v1/limits", responses((status = 200, body = Limits)))]
pub(crate) async fn limits(State(api): State<Api>) -> Outcome<Json<Limits>> {
    api.quick(|service| service.limits()).await.map(Json)
}

/// Changes what holds for all transfers, at once. What is left out has no limit.
#[utoipa::path(put, path = "/v1/limits", request_body = Limits, responses((status = 200, body = Limits)))]
pub(crate) async fn set_limits(
    State(api): State<Api>,
    JsonBody(limits): JsonBody<Limits>,
) -> Outcome<Json<Limits>> {
    api.quick(|service| service.set_limits(limits)).await.map(Json)
}

/// What moved, by day and peer, newest day first.
#[utoipa::path(
    get, path = "/v1/moved",
    params(("days" = Option<u32>, Query, description = "How many days, today included; 7 if left out.")),
    responses((status = 200, body = Vec<Moved>), (status = 422), (status = 507))
)]
pub(crate) async fn moved(
    State(api): State<Api>,
    QueryParams(asked): QueryParams<Days>,
) -> Outcome<Json<Vec<Moved>>> {
    api.quick(move |service| service.moved(asked.days.unwrap_or(DAYS))).await.map(Json)
}

/// Looks for what is wrong or slow.
#[utoipa::path(get, path = "/v1/doctor", responses((status = 200, body = Vec<Finding>)))]
pub(crate) async fn doctor(State(api): State<Api>) -> Outcome<Json<Vec<Finding>>> {
    api.long(|service| service.doctor()).await.map(Json)
}
