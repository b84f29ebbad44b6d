//! Routes of the library. A route that reads whole files answers when it has read them, without a time limit.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::answer::{Api, Id, JsonBody, Name, NoBody, OptionalBody, Outcome, created};
use crate::model::{
    Activated, Activation, Entry, Fits, ManifestForm, NewEntry, Pruned, PublisherIdForm, validate,
};

/// `POST /v1/library/prune`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Bytes that the cache may hold afterwards.
    pub keep_bytes: u64,
}

/// `POST /v1/fits`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fitted {
    /// The text of the manifest.
    #[schema(value_type = ManifestForm)]
    pub manifest: String,
}

/// The library.
#[utoipa::path(get, path = "/v1/library", responses((status = 200, body = Vec<Entry>), (status = 422), (status = 507)))]
pub(crate) async fn library(State(api): State<Api>) -> Outcome<Json<Vec<Entry>>> {
    api.quick(|service| service.library()).await.map(Json)
}

/// Adds an entry; a file is checked in full first.
#[utoipa::path(
    post, path = "/v1/library", request_body = NewEntry,
    responses(
        (status = 201, body = Entry, headers(("location" = String))), (status = 404), (status = 412), (status = 429)
    )
)]
pub(crate) async fn add(State(api): State<Api>, JsonBody(new): JsonBody<NewEntry>) -> Outcome<Response> {
    validate::entry(&new)?;
    let entry = api.long(|service| service.add(new)).await?;
    Ok(created(&format!("/v1/library/{}", entry.id), entry))
}

/// One entry.
#[utoipa::path(
    get, path = "/v1/library/{id}", params(("id" = u64, Path)),
    responses((status = 200, body = Entry), (status = 422), (status = 507))
)]
pub(crate) async fn entry(State(api): State<Api>, Id(id): Id) -> Outcome<Json<Entry>> {
    api.quick(move |service| service.entry(id)).await.map(Json)
}

/// Forgets an entry. A cached file goes with it, a user's own stays.
#[utoipa::path(
    delete, path = "/v1/library/{id}", params(("id" = u64, Path)),
    responses((status = 204, description = "It is forgotten."))
)]
pub(crate) async fn remove(State(api): State<Api>, Id(id): Id, _: NoBody) -> Outcome<StatusCode> {
    api.quick(move |service| service.remove(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The text of an entry's manifest.
#[utoipa::path(
    get, path = "/v1/library/{id}/manifest", params(("id" = u64, Path)),
    responses((status = 200, content_type = "text/plain", body = String), (status = 422))
)]
pub(crate) async fn manifest(State(api): State<Api>, Id(id): Id) -> Outcome<String> {
    api.quick(move |service| service.manifest(id)).await
}

/// Checks an entry's file in full again.
#[utoipa::path(
    post, path = "/v1/library/{id}/verify", params(("id" = u64, Path)),
    responses((status = 200, body = Entry))
)]
pub(crate) async fn verify(State(api): State<Api>, Id(id): Id, _: NoBody) -> Outcome<Json<Entry>> {
    api.long(move |service| service.verify(id)).await.map(Json)
}

/// Keeps an entry from eviction.
#[utoipa::path(
    put, path = "/v1/library/{id}/pin", params(("id" = u64, Path)),
    responses((status = 200, body = Entry))
)]
pub(crate) async fn pin(State(api): State<Api>, Id(id): Id, _: NoBody) -> Outcome<Json<Entry>> {
    api.quick(move |service| service.pin(id, true)).await.map(Json)
}

/// Keeps an entry from eviction no more.
#[utoipa::path(
    delete, path = "/v1/library/{id}/pin", params(("id" = u64, Path)),
    responses((status = 200, body = Entry))
)]
pub(crate) async fn unpin(State(api): State<Api>, Id(id): Id, _: NoBody) -> Outcome<Json<Entry>> {
    api.quick(move |service| service.pin(id, false)).await.map(Json)
}

/// Points the model's link at this version.
#[utoipa::path(
    post, path = "/v1/library/{id}/activate", params(("id" = u64, Path)), request_body = Option<Activation>,
    responses((status = 200, body = Activated), (status = 412), (status = 429))
)]
pub(crate) async fn activate(
    State(api): State<Api>,
    Id(id): Id,
    OptionalBody(activation): OptionalBody<Activation>,
) -> Outcome<Json<Activated>> {
    validate::activation(&activation)?;
    api.quick(move |service| service.activate(id, activation)).await.map(Json)
}

/// Evicts cached, unpinned, inactive and unshared files until the cache holds so much at most.
#[utoipa::path(
    post, path = "/v1/library/prune", request_body = Kept,
    responses((status = 200, body = Pruned))
)]
pub(crate) async fn prune(State(api): State<Api>, JsonBody(kept): JsonBody<Kept>) -> Outcome<Json<Pruned>> {
    api.long(move |service| service.prune(kept.keep_bytes)).await.map(Json)
}

/// Points the model's link at the version it led to before.
#[utoipa::path(
    post, path = "/v1/models/{model_id}/rollback",
    params(("model_id" = PublisherIdForm, Path, description = "`model.id`, percent-encoded.")),
    responses((status = 200, body = Activated))
)]
pub(crate) async fn rollback(
    State(api): State<Api>,
    Name(model_id): Name,
    _: NoBody,
) -> Outcome<Json<Activated>> {
    api.quick(move |service| service.rollback(&model_id)).await.map(Json)
}

/// A manifest's requirements against this machine.
#[utoipa::path(post, path = "/v1/fits", request_body = Fitted, responses((status = 200, body = Fits)))]
pub(crate) async fn fits(State(api): State<Api>, JsonBody(fitted): JsonBody<Fitted>) -> Outcome<Json<Fits>> {
    api.quick(move |service| service.fits(&fitted.manifest)).await.map(Json)
}
