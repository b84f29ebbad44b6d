//! What the guard finds out about a request, for the routes.

use axum::http::HeaderMap;
use axum::http::Method;
use axum::http::header::HeaderName;

/// Routes that need no token: the health check with its proof, the OpenAPI document, and the exchange of a code for a session.
pub(crate) const OPEN: [(Method, &str); 3] =
    [(Method::GET, "/healthz"), (Method::GET, "/v1/openapi.json"), (Method::POST, "/v1/sessions")];

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A program that read the token: the user's own, with all rights.
    Owner,
    /// The page, in this session: it mints no codes, and does not end the companion.
    Page(u64),
    /// A client without a token, at a route that needs none.
    Anyone,
}

/// The value of a header that occurs exactly once and is text.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
