//! The files of the page, which are part of the program. They hold no secret: what the page shows it reads by the interface.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::api::answer::Api;
use crate::api::routes::unknown;

/// A file, its content type and its bytes.
type File = (&'static str, &'static str, &'static [u8]);

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";
const STYLE: &str = "text/css; charset=utf-8";

/// Includes a file of the folder `page`.
macro_rules! file {
    ($name:literal, $kind:expr) => {
        ($name, $kind, include_bytes!(concat!("../../../page/", $name)))
    };
}

/// All files, one a line.
const FILES: &[File] = &[
    file!("api.js", SCRIPT),
    file!("app.js", SCRIPT),
    file!("icon.svg", PICTURE),
    file!("index.html", HTML),
    file!("kit.js", SCRIPT),
    file!("route.js", SCRIPT),
    file!("session.js", SCRIPT),
    file!("state.js", SCRIPT),
    file!("stream.js", SCRIPT),
    file!("style.css", STYLE),
    file!("parts/actions.js", SCRIPT),
    file!("parts/answer.js", SCRIPT),
    file!("parts/html.js", SCRIPT),
    file!("parts/limit_fields.js", SCRIPT),
    file!("parts/memo.js", SCRIPT),
    file!("parts/of_transfer.js", SCRIPT),
    file!("parts/paths.js", SCRIPT),
    file!("parts/piece_map.js", SCRIPT),
    file!("parts/pieces.js", SCRIPT),
    file!("parts/rate_plot.js", SCRIPT),
    file!("pure/cells.js", SCRIPT),
    file!("pure/command.js", SCRIPT),
    file!("pure/harmless.js", SCRIPT),
    file!("pure/hours.js", SCRIPT),
    file!("pure/library.js", SCRIPT),
    file!("pure/manifest.js", SCRIPT),
    file!("pure/picture.js", SCRIPT),
    file!("pure/plot.js", SCRIPT),
    file!("pure/qr.js", SCRIPT),
    file!("pure/report.js", SCRIPT),
    file!("pure/sentences.js", SCRIPT),
    file!("pure/sse.js", SCRIPT),
    file!("pure/words.js", SCRIPT),
    file!("vendor/hooks.js", SCRIPT),
    file!("vendor/htm.js", SCRIPT),
    file!("vendor/preact.js", SCRIPT),
    file!("views/add_form.js", SCRIPT),
    file!("views/consent_form.js", SCRIPT),
    file!("views/consents.js", SCRIPT),
    file!("views/fetch_form.js", SCRIPT),
    file!("views/first_run.js", SCRIPT),
    file!("views/health.js", SCRIPT),
    file!("views/login.js", SCRIPT),
    file!("views/models.js", SCRIPT),
    file!("views/one_model.js", SCRIPT),
    file!("views/one_transfer.js", SCRIPT),
    file!("views/records.js", SCRIPT),
    file!("views/requests.js", SCRIPT),
    file!("views/settings.js", SCRIPT),
    file!("views/sharing.js", SCRIPT),
    file!("views/transfers.js", SCRIPT),
];

/// Returns true if a path is the page or one of its files, whether the file exists or not.
pub(crate) fn is_its_path(path: &str) -> bool {
    path == "/" || path.starts_with("/page/")
}

/// The routes of the page, which the OpenAPI document does not list: they are no part of the interface for programs.
pub(crate) fn routes() -> Router<Api> {
    let index = || async { answer("index.html").await };
    let file = |Path(name): Path<String>| async move { answer(&name).await };
    Router::new().route("/", get(index)).route("/page/{*name}", get(file))
}

async fn answer(name: &str) -> Response {
    match FILES.iter().find(|(file, ..)| *file == name) {
        Some((_, kind, bytes)) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], *bytes).into_response()
        }
        None => unknown().await.into_response(),
    }
}
