//! Routes of grants, the consent log and announcements; an announcement needs a grant of its own.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use crate::api::answer::{Api, Id, JsonBody, NoBody, Outcome, created, list};
use crate::api::types::{Grant, LogEntry, LogVerdict, NewGrant};
use crate::model::{Announcement, Consent, validate};
use crate::problem::{Problem, code};
use crate::service::{Answer, Service};

/// All grants, those that ended too.
#[utoipa::path(get, path = "/v1/grants", responses((status = 200, body = Vec<Grant>), (status = 422)))]
pub(crate) async fn grants(State(api): State<Api>) -> Outcome<Json<Vec<Grant>>> {
    api.quick(|service| service.grants()).await.map(list)
}

/// Records grants, one for each action.
#[utoipa::path(
    post, path = "/v1/grants", request_body = NewGrant,
    responses((status = 201, body = Vec<Grant>, headers(("location" = String))))
)]
pub(crate) async fn grant(State(api): State<Api>, JsonBody(new): JsonBody<NewGrant>) -> Outcome<Response> {
    let new = new.try_into()?;
    let grants = api.quick(|service| service.grant(new)).await?;
    let Json(grants): Json<Vec<Grant>> = list(grants);
    Ok(created("/v1/grants", grants))
}

/// Takes a grant back; what runs under it alone stops. The answer is the grant, which stays on record.
#[utoipa::path(
    delete, path = "/v1/grants/{id}", params(("id" = u64, Path)),
    responses((status = 200, body = Grant))
)]
pub(crate) async fn revoke(State(api): State<Api>, Id(id): Id, _: NoBody) -> Outcome<Json<Grant>> {
    api.quick(move |service| service.revoke(id)).await.map(|it| Json(it.into()))
}

/// The consent log.
#[utoipa::path(get, path = "/v1/consent/log", responses((status = 200, body = Vec<LogEntry>), (status = 422)))]
pub(crate) async fn consent_log(State(api): State<Api>) -> Outcome<Json<Vec<LogEntry>>> {
    api.quick(|service| service.consent_log()).await.map(list)
}

/// Whether the log's chain holds.
#[utoipa::path(get, path = "/v1/consent/verify", responses((status = 200, body = LogVerdict), (status = 422)))]
pub(crate) async fn verify_log(State(api): State<Api>) -> Outcome<Json<LogVerdict>> {
    api.quick(|service| service.verify_log()).await.map(|it| Json(it.into()))
}

/// What is announced.
#[utoipa::path(get, path = "/v1/announcements", responses((status = 200, body = Vec<Announcement>)))]
pub(crate) async fn announcements(State(api): State<Api>) -> Outcome<Json<Vec<Announcement>>> {
    api.quick(|service| service.announcements()).await.map(Json)
}

fn found(service: &dyn Service, id: u64) -> Answer<Option<Announcement>> {
    Ok(service.announcements()?.into_iter().find(|announcement| announcement.transfer == id))
}

/// The announcement of a share.
#[utoipa::path(
    get, path = "/v1/transfers/{id}/announcement", params(("id" = u64, Path)),
    responses((status = 200, body = Announcement))
)]
pub(crate) async fn announcement(State(api): State<Api>, Id(id): Id) -> Outcome<Json<Announcement>> {
    let announcement = api.quick(move |service| found(service, id)).await?;
    let none = || {
        let hint = format!("announce it: PUT /v1/transfers/{id}/announcement");
        Problem::new(code::NOT_FOUND, format!("transfer {id} is not announced"), hint)
    };
    Ok(Json(announcement.ok_or_else(none)?))
}

/// Announces a share: its own grant, `publish`.
#[utoipa::path(
    put, path = "/v1/transfers/{id}/announcement", params(("id" = u64, Path)), request_body = Consent,
    responses(
        (status = 200, body = Announcement, description = "It was announced already, and is anew."),
        (status = 201, body = Announcement, description = "It is announced.", headers(("location" = String)))
    )
)]
pub(crate) async fn announce(
    State(api): State<Api>,
    Id(id): Id,
    JsonBody(consent): JsonBody<Consent>,
) -> Outcome<Response> {
    validate::without_a_key(&consent)?;
    let call =
        move |service: &dyn Service| Ok((found(service, id)?.is_some(), service.announce(id, consent)?));
    let (was_there, announcement) = api.quick(call).await?;
    if was_there {
        return Ok(Json(announcement).into_response());
    }
    Ok(created(&format!("/v1/transfers/{id}/announcement"), announcement))
}

/// Takes an announcement back: grant revoked, file removed, and peers are told of the share no more.
#[utoipa::path(
    delete, path = "/v1/transfers/{id}/announcement", params(("id" = u64, Path)),
    responses((status = 204, description = "It is announced no more."))
)]
pub(crate) async fn unannounce(State(api): State<Api>, Id(id): Id, _: NoBody) -> Outcome<StatusCode> {
    api.quick(move |service| service.unannounce(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
