//! Routes of what a transfer looks like: the map of its chunks, and its rates over time.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::api::answer::{Api, Id, Outcome, QueryParams};
use crate::model::{ChunkMap, RateHistory, Span, USUAL_CELLS, validate};

/// Seconds of a history if the query names none.
const SECONDS: u64 = 600;

/// The query of a map.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cells {
    #[serde(default)]
    cells: Option<u32>,
}

/// The query of a history.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Over {
    #[serde(default)]
    span: Option<u64>,
}

/// The map of its chunks, at most one cell a chunk. While it rests, what is on disk.
#[utoipa::path(
    get, path = "/v1/transfers/{id}/chunks",
    params(
        ("id" = u64, Path),
        ("cells" = Option<u32>, Query, minimum = 1, maximum = 4096, description = "How many; 1024 if left out."),
    ),
    responses((status = 200, body = ChunkMap))
)]
pub(crate) async fn chunks(
    State(api): State<Api>,
    Id(id): Id,
    QueryParams(asked): QueryParams<Cells>,
) -> Outcome<Json<ChunkMap>> {
    let cells = validate::cells(asked.cells.unwrap_or(USUAL_CELLS))?;
    api.quick(move |service| service.chunks(id, cells)).await.map(Json)
}

/// Its rates over time.
#[utoipa::path(
    get, path = "/v1/transfers/{id}/history",
    params(
        ("id" = u64, Path),
        ("span" = Option<Span>, Query, description = "600 or 86400 seconds; 600 if left out."),
    ),
    responses((status = 200, body = RateHistory))
)]
pub(crate) async fn history(
    State(api): State<Api>,
    Id(id): Id,
    QueryParams(asked): QueryParams<Over>,
) -> Outcome<Json<RateHistory>> {
    let span = validate::span(asked.span.unwrap_or(SECONDS))?;
    api.quick(move |service| service.history(Some(id), span)).await.map(Json)
}

/// The rates of all transfers together over time.
#[utoipa::path(
    get, path = "/v1/history",
    params(("span" = Option<Span>, Query, description = "600 or 86400 seconds; 600 if left out.")),
    responses((status = 200, body = RateHistory))
)]
pub(crate) async fn history_of_all(
    State(api): State<Api>,
    QueryParams(asked): QueryParams<Over>,
) -> Outcome<Json<RateHistory>> {
    let span = validate::span(asked.span.unwrap_or(SECONDS))?;
    api.quick(move |service| service.history(None, span)).await.map(Json)
}
