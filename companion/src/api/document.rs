//! The OpenAPI document, generated from the routes.

use std::sync::OnceLock;

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, RefOr, Required, Response, Schema};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::api::request::OPEN;
use crate::api::{bounds, refusals, routes};
use crate::model::Event;

/// The name of the token's security scheme in the document.
const TOKEN: &str = "token";

/// The document that `GET /v1/openapi.json` answers.
pub fn document() -> OpenApi {
    let (_, mut document) = routes::all().split_for_parts();
    document.info = InfoBuilder::new()
        .title("minimodel companion")
        .version("1")
        .description(Some(
            "The local interface of the companion: loopback only, a token in each request. docs/api.md has the rules.",
        ))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.extend([refusals::schema()]);
    // In answers it is text: the data of a StreamedEvent.
    components.schemas.insert(Event::name().into_owned(), Event::schema());
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.security_schemes.insert(TOKEN.to_owned(), RefOr::T(scheme));
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations_mut(item) {
            let is_open = OPEN.iter().any(|(open, at)| open.as_str() == method && at == path);
            finish(method, operation, is_open);
        }
    }
    bounds::add(&mut document);
    document
}

/// Every route of the document, method and path.
pub fn routes_of(document: &OpenApi) -> Vec<(&'static str, String)> {
    let mut document = document.clone();
    let paths = document.paths.paths.iter_mut();
    paths
        .flat_map(|(path, item)| operations_mut(item).into_iter().map(|(name, _)| (name, path.clone())))
        .collect()
}

/// The text of the document.
pub(crate) fn text() -> String {
    static TEXT: OnceLock<String> = OnceLock::new();
    // The document is plain data, which always has a JSON form.
    TEXT.get_or_init(|| document().to_pretty_json().unwrap_or_default()).clone()
}

fn operations_mut(item: &mut PathItem) -> Vec<(&'static str, &mut Operation)> {
    let all = [
        ("GET", item.get.as_mut()),
        ("POST", item.post.as_mut()),
        ("PUT", item.put.as_mut()),
        ("DELETE", item.delete.as_mut()),
    ];
    all.into_iter().filter_map(|(name, operation)| Some((name, operation?))).collect()
}

/// Adds what holds for all routes: how each may refuse, and that all but the open ones need the token.
fn finish(method: &str, operation: &mut Operation, is_open: bool) {
    refusals::add(method, operation, is_open);
    operation.request_body.iter_mut().for_each(without_null);
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(Response { description, .. }) = response
            && description.is_empty()
        {
            "How it stands then.".clone_into(description);
        }
    }
    operation.tags = None;
    if !is_open {
        operation.security = Some(vec![SecurityRequirement::new(TOKEN, Vec::<String>::new())]);
    }
}

/// A body that may be left out cannot be `null` instead, as the schema of its `Option` would have it.
fn without_null(body: &mut RefOr<RequestBody>) {
    let RefOr::T(body) = body else { return };
    for content in body.content.values_mut() {
        if let RefOr::T(content) = content
            && let Some(RefOr::T(Schema::OneOf(either))) = &content.schema
        {
            content.schema = either.items.iter().find(|item| matches!(item, RefOr::Ref(_))).cloned();
            body.required = Some(Required::False);
        }
    }
}
