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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use data_encoding::HEXLOWER;
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// Most bytes of all files together, as they are sent.
    const MAX_BYTES: usize = 160 * 1024;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("page")
    }

    fn files_below(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn every_file_of_the_page_is_in_the_program() {
        let root = folder();
        let of_the_page = |path: &PathBuf| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            let is_served = ["js", "css", "html", "svg"].contains(&path.extension()?.to_str()?);
            let is_for_its_authors = ["test/", "dev/"].iter().any(|folder| name.starts_with(folder));
            (is_served && !is_for_its_authors).then_some(name)
        };
        let there: BTreeSet<_> = files_below(&root).iter().filter_map(of_the_page).collect();
        let given: BTreeSet<_> = FILES.iter().map(|(name, ..)| (*name).to_owned()).collect();
        assert_eq!(given, there);
        assert!(FILES.iter().map(|(.., bytes)| bytes.len()).sum::<usize>() < MAX_BYTES);
    }

    #[test]
    fn vendored_modules_are_those_of_their_packages() {
        let vendor = folder().join("vendor");
        let hashes = fs::read_to_string(vendor.join("HASHES")).unwrap();
        let mut seen = 0;
        for line in hashes.lines() {
            let (hash, name) = line.split_once("  ").unwrap();
            let bytes = fs::read(vendor.join(name)).unwrap();
            assert_eq!(HEXLOWER.encode(&Sha256::digest(bytes)), hash, "{name}");
            seen += 1;
        }
        // The list itself and its page are the project's own.
        assert_eq!(seen + 2, fs::read_dir(vendor).unwrap().count());
    }

    #[test]
    fn files_hold_no_script_or_style_that_the_policy_refuses() {
        for (name, _, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            let is_own = !name.starts_with("vendor/");
            for refused in ["innerHTML", "eval(", "new Function", "document.write", "http://", "https://"] {
                let is_namespace = refused == "http://" && text.contains("http://www.w3.org/2000/svg");
                assert!(!is_own || !text.contains(refused) || is_namespace, "{name}: {refused}");
            }
            assert!(
                !name.ends_with(".html") || !text.contains("<style") && !text.contains("style="),
                "{name}"
            );
        }
    }
}
