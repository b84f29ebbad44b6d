//! Admission of requests to the routes: refuses foreign web pages, other host names and requests without the token.
//!
//! A browser on this machine runs strangers' code, which can send requests to any port of it. What is asked of every
//! request is therefore what such code cannot bring about: the right `Host` (a name of its own that resolves to
//! loopback is refused: DNS rebinding), no foreign `Origin` or `Sec-Fetch-Site`, the token in a header, which no
//! browser adds by itself, and for changes a content type that a page may not send without asking first. That
//! question, a preflight, gets no permission.

use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::api::answer::{Api, Connection, Refusal};
use crate::problem::code;

/// Paths that are read without a token: the health check with its proof, and the OpenAPI document.
pub(crate) const OPEN: [&str; 2] = ["/healthz", "/v1/openapi.json"];

/// Headers of every answer. `'self'` is for a page of the companion's own; nothing else is ever loaded, framed or sent to.
pub(crate) const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Passes a request on to its route or refuses it, and sets the headers of every answer.
pub(crate) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let mut response = match admit(&api, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let (status, mut response) = (refusal.status, refusal.into_response());
            let headers = response.headers_mut();
            if status == StatusCode::UNAUTHORIZED {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            if status == StatusCode::METHOD_NOT_ALLOWED {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET, POST, PUT, DELETE"));
            }
            // The rest of what the client sent is not read.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    };
    for (name, value) in HEADERS {
        // Replaces what a handler may have set.
        response.headers_mut().insert(name, value);
    }
    response
}

fn admit(api: &Api, request: &Request) -> Result<(), Refusal> {
    let Some(connection) = request.extensions().get::<Connection>() else {
        return Err(misdirected("the request came by no connection"));
    };
    let method = request.method();
    if ![Method::GET, Method::POST, Method::PUT, Method::DELETE].contains(method) {
        let hint = "GET, POST, PUT and DELETE are what there is; there is no CORS";
        let error = "this method is not served";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, code::USAGE, error, hint));
    }
    let host = host(request, connection.local.port())?;
    same_origin(request.headers(), &host)?;
    if method != Method::GET || !OPEN.contains(&request.uri().path()) {
        let bearer = only(request.headers(), &header::AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token)
        });
        if !bearer.is_some_and(|presented| api.token.is(presented)) {
            let hint = "send `authorization: Bearer TOKEN` with what the file `token` in the companion's folder holds";
            let error = "the token is missing or wrong";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, code::IO, error, hint));
        }
        connection.trusted.store(true, Ordering::Relaxed);
    }
    if method != Method::GET && !is_json(request.headers()) {
        let hint = "send `content-type: application/json`, with a body or without";
        let error = "changes are JSON";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code::USAGE, error, hint));
    }
    Ok(())
}

/// The value of a header that occurs exactly once and is text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn misdirected(error: &str) -> Refusal {
    let hint = "ask 127.0.0.1, [::1] or localhost, with the port, and no other name";
    Refusal::new(StatusCode::MISDIRECTED_REQUEST, code::USAGE, error, hint)
}

/// The value of `Host`, which must be one of the three names of this interface.
fn host(request: &Request, port: u16) -> Result<String, Refusal> {
    let Some(host) = only(request.headers(), &header::HOST) else {
        return Err(misdirected("there has to be one Host header"));
    };
    let ours = ["127.0.0.1", "[::1]", "localhost"].map(|name| format!("{name}:{port}"));
    // A request line may name a host too (RFC 9112 section 3.2.2); it must be the same.
    let named = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let is_ours = |name: &str| ours.iter().any(|ours| ours == name);
    if !is_ours(host) || named.is_some_and(|named| named != host) {
        return Err(misdirected("the request is for another host"));
    }
    Ok(host.to_owned())
}

fn same_origin(headers: &HeaderMap, host: &str) -> Result<(), Refusal> {
    let foreign = |name: &HeaderName, ours: &[&str]| {
        headers.contains_key(name) && !only(headers, name).is_some_and(|value| ours.contains(&value))
    };
    let own = format!("http://{host}");
    if foreign(&header::ORIGIN, &[&own])
        || foreign(&HeaderName::from_static("sec-fetch-site"), &["same-origin", "none"])
    {
        let hint = "web pages of others have no business here; use a program that reads the token's file";
        let error = "the request comes from another site";
        return Err(Refusal::new(StatusCode::FORBIDDEN, code::USAGE, error, hint));
    }
    Ok(())
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = only(headers, &header::CONTENT_TYPE) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}
