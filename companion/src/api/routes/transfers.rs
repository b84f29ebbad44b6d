//! Routes of shares and fetches.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::api::answer::{Api, Id, JsonBody, NoBody, Outcome, created};
use crate::api::request::Caller;
use crate::api::routes::sessions::owner_alone;
use crate::model::{Consent, NewFetch, NewShare, Transfer, TransferLimits, validate};

fn location(transfer: &Transfer) -> String {
    format!("/v1/transfers/{}", transfer.id)
}

/// Adds a share. Without the consent it needs it asks, and nothing is opened.
#[utoipa::path(
    post, path = "/v1/shares", request_body = NewShare,
    responses((status = 201, body = Transfer, headers(("location" = String))), (status = 404), (status = 412), (status = 429))
)]
pub(crate) async fn share(State(api): State<Api>, JsonBody(new): JsonBody<NewShare>) -> Outcome<Response> {
    validate::share(&new)?;
    let transfer = api.quick(|service| service.share(new)).await?;
    Ok(created(&location(&transfer), transfer))
}

/// Adds a fetch. Its sources are offers alone. Without the consent it needs it asks, and nobody is dialed.
#[utoipa::path(
    post, path = "/v1/fetches", request_body = NewFetch,
    responses((status = 201, body = Transfer, headers(("location" = String))), (status = 412), (status = 429))
)]
pub(crate) async fn fetch(
    State(api): State<Api>,
    caller: Caller,
    JsonBody(new): JsonBody<NewFetch>,
) -> Outcome<Response> {
    if new.receipt.is_some() {
        // It would be a file of any name at any place.
        owner_alone(caller, "choose the place of a receipt", "leave it out: it then lies beside the file")?;
    }
    validate::fetch(&new)?;
    let transfer = api.quick(|service| service.fetch(new)).await?;
    Ok(created(&location(&transfer), transfer))
}

/// All shares and fetches.
#[utoipa::path(get, path = "/v1/transfers", responses((status = 200, body = Vec<Transfer>)))]
pub(crate) async fn transfers(State(api): State<Api>) -> Outcome<Json<Vec<Transfer>>> {
    api.quick(|service| Ok(service.status()?.transfers)).await.map(Json)
}

/// One transfer.
#[utoipa::path(
    get, path = "/v1/transfers/{id}", params(("id" = u64, Path)),
    responses((status = 200, body = Transfer))
)]
pub(crate) async fn transfer(State(api): State<Api>, Id(id): Id) -> Outcome<Json<Transfer>> {
    api.quick(move |service| service.transfer(id)).await.map(Json)
}

/// Forgets it. Files stay, partial ones too.
#[utoipa::path(
    delete, path = "/v1/transfers/{id}", params(("id" = u64, Path)),
    responses((status = 204, description = "It is forgotten."))
)]
pub(crate) async fn forget(State(api): State<Api>, Id(id): Id, _: NoBody) -> Outcome<StatusCode> {
    api.quick(move |service| service.forget(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Answers its question: grants for its model are recorded, and it goes on when they suffice.
#[utoipa::path(
    post, path = "/v1/transfers/{id}/consent", params(("id" = u64, Path)), request_body = Consent,
    responses((status = 200, body = Transfer), (status = 412), (status = 429))
)]
pub(crate) async fn answer(
    State(api): State<Api>,
    Id(id): Id,
    JsonBody(consent): JsonBody<Consent>,
) -> Outcome<Json<Transfer>> {
    validate::consent(&consent)?;
    api.quick(move |service| service.answer(id, consent)).await.map(Json)
}

/// Lets a paused or failed transfer run again.
#[utoipa::path(
    post, path = "/v1/transfers/{id}/start", params(("id" = u64, Path)),
    responses((status = 200, body = Transfer), (status = 412))
)]
pub(crate) async fn start(State(api): State<Api>, Id(id): Id, _: NoBody) -> Outcome<Json<Transfer>> {
    api.quick(move |service| service.start(id)).await.map(Json)
}

/// Pauses it, over restarts too.
#[utoipa::path(
    post, path = "/v1/transfers/{id}/pause", params(("id" = u64, Path)),
    responses((status = 200, body = Transfer))
)]
pub(crate) async fn pause(State(api): State<Api>, Id(id): Id, _: NoBody) -> Outcome<Json<Transfer>> {
    api.quick(move |service| service.pause(id)).await.map(Json)
}

/// Changes its limits, at once. What is left out has no limit of its own.
#[utoipa::path(
    put, path = "/v1/transfers/{id}/limits", params(("id" = u64, Path)), request_body = TransferLimits,
    responses((status = 200, body = Transfer))
)]
pub(crate) async fn limit(
    State(api): State<Api>,
    Id(id): Id,
    JsonBody(limits): JsonBody<TransferLimits>,
) -> Outcome<Json<Transfer>> {
    api.quick(move |service| service.limit(id, limits)).await.map(Json)
}
