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
const STYLE: &str = "text/css; charset=utf-8";

/// Includes a file of the folder `page`.
macro_rules! file {
    ($name:literal, $kind:expr) => {
        ($name, $kind, include_bytes!(concat!("../../../page/", $name)))
    };
}

/// All files, one a line.
const FILES: &[File] = &[file!("index.html", HTML), file!("app.js", SCRIPT), file!("style.css", STYLE)];

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
