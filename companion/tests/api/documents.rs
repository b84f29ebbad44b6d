//! docs/openapi.json and docs/api.md compared with the routes.
//!
//! ```sh
//! MINIMODEL_UPDATE_DOCS=1 cargo test -p minimodel-companion --test api documents
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use minimodel_companion::api::{document, routes_of};
use serde_json::Value;

use crate::running::{Running, problem, status};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs").join(name)
}

/// The text of docs/api.md.
pub(crate) fn page() -> String {
    fs::read_to_string(docs("api.md")).unwrap()
}

/// The routes in the page's tables: a row begins with method and path.
fn routes_in(page: &str) -> Vec<(String, String)> {
    let row = |line: &str| {
        let cell = line.strip_prefix("| `")?.split('`').next()?;
        let (method, path) = cell.split_once(' ')?;
        let is_method = ["GET", "POST", "PUT", "DELETE"].contains(&method);
        (is_method && path.starts_with('/'))
            .then(|| (method.to_owned(), path.split('?').next().unwrap().to_owned()))
    };
    page.lines().filter_map(row).collect()
}

fn given() -> BTreeSet<(String, String)> {
    routes_of(&document()).into_iter().map(|(method, path)| (method.to_owned(), path)).collect()
}

#[test]
fn the_document_in_the_tree_is_the_one_that_is_served() {
    let made = format!("{}\n", document().to_pretty_json().unwrap());
    let path = docs("openapi.json");
    if std::env::var_os("MINIMODEL_UPDATE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == made,
        "write docs/openapi.json with MINIMODEL_UPDATE_DOCS=1"
    );
    let running = Running::new();
    let served =
        running.raw(&format!("GET /v1/openapi.json HTTP/1.1\r\nhost: {}\r\n\r\n", running.address()));
    let (head, served) = served.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
    assert_eq!(served.trim_end(), made.trim_end());
}

#[test]
fn the_page_names_every_route_and_no_other() {
    let named = routes_in(&page());
    let unique: BTreeSet<_> = named.iter().cloned().collect();
    assert_eq!(named.len(), unique.len(), "a route is named twice");
    assert_eq!(unique, given());
    assert!(
        routes_in("| `GET /x` | a |\n| `GET` | b |\nGET /y\n| `HEAD /z` |") == [("GET".into(), "/x".into())]
    );
}

#[test]
fn router_answers_each_documented_route_and_no_other_method() {
    let running = Running::new();
    let given = given();
    for path in given.iter().map(|(_, path)| path).collect::<BTreeSet<_>>() {
        let filled = path.replace("{id}", "1").replace("{model_id}", "m");
        for method in ["GET", "POST", "PUT", "DELETE"] {
            // A stream has no end to wait for; tests/api/events.rs reads it.
            if (method, path.as_str()) == ("GET", "/v1/events") {
                continue;
            }
            let answer = running.change(&format!("{method} {filled}"), "");
            let is_given = given.contains(&(method.to_owned(), path.clone()));
            assert_eq!(status(&answer) != 405, is_given, "{method} {path}: {answer}");
            // RFC 9110 section 15.5.6: a 405 names the methods that the route takes.
            assert!(is_given || answer.contains("\r\nallow: "), "{method} {path}: {answer}");
            if status(&answer) == 404 {
                assert_ne!(problem(&answer).error, "there is no such route", "{method} {path}");
            }
            assert_ne!(status(&answer), 500, "{answer}");
        }
    }
}

#[test]
fn the_document_holds_together() {
    let document = serde_json::to_value(document()).unwrap();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in &references {
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        assert!(schemas.contains_key(name), "{reference}");
    }
    let paths = document["paths"].as_object().unwrap();
    let mut ids = BTreeSet::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let open = ["get /healthz", "get /v1/openapi.json", "post /v1/sessions"];
            let is_open = open.contains(&format!("{method} {path}").as_str());
            assert_eq!(operation["security"].is_null(), is_open, "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
            let holes = path.matches('{').count();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            assert_eq!(
                parameters.filter(|parameter| parameter["in"] == "path").count(),
                holes,
                "{method} {path}"
            );
        }
    }
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[test]
fn the_page_has_the_headers_and_statuses_that_are_sent() {
    let running = Running::new();
    let answer = running.request("GET /healthz", "", "");
    let page = page();
    for name in [
        "content-security-policy",
        "x-content-type-options",
        "referrer-policy",
        "cross-origin-resource-policy",
        "cache-control",
    ] {
        let line = answer.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap();
        assert!(page.contains(&format!("`{line}`")), "{line} is not in docs/api.md");
    }
}
