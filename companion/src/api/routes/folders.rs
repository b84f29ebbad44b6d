//! The routes for choosing a file.

use std::path::PathBuf;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::api::answer::{Api, Outcome, QueryParams};
use crate::model::{Files, PathForm};

/// The query of `/v1/files`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Under {
    #[serde(default)]
    under: Option<PathBuf>,
}

/// Folders and model files in a folder that the user allowed for choosing one; none is allowed unless the user did so on a terminal.
#[utoipa::path(
    get, path = "/v1/files",
    params(("under" = Option<PathForm>, Query, description = "An allowed folder or one below; if left out, only which are allowed.")),
    responses((status = 200, body = Files), (status = 404), (status = 422))
)]
pub(crate) async fn files(
    State(api): State<Api>,
    QueryParams(asked): QueryParams<Under>,
) -> Outcome<Json<Files>> {
    api.choosing(move |service| service.files(asked.under.as_deref())).await.map(Json)
}

/// The query of `/v1/files/manifest`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chosen {
    path: PathBuf,
}

/// The text of a manifest in a folder that the user allowed for choosing a file.
#[utoipa::path(
    get, path = "/v1/files/manifest", params(("path" = PathForm, Query, description = "The manifest.")),
    responses((status = 200, content_type = "text/plain", body = String), (status = 404), (status = 422))
)]
pub(crate) async fn chosen_manifest(
    State(api): State<Api>,
    QueryParams(asked): QueryParams<Chosen>,
) -> Outcome<String> {
    api.choosing(move |service| service.chosen_manifest(&asked.path)).await
}
