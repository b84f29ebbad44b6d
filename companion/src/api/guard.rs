//! Admission of requests to the routes: refuses foreign web pages, other host names and requests without the token or that of a
//! session.
//!
//! A browser on this machine runs strangers' code, which can send requests to any port of it. What is asked of every
//! request is therefore what such code cannot bring about: the right `Host` (a name of its own that resolves to
//! loopback is refused: DNS rebinding), no foreign `Origin` or `Sec-Fetch-Site`, the token in a header, which no
//! browser adds by itself; a body has a content type that a page may not send without asking first (`answer`). That
//! question, a preflight, gets no permission.
//!
//! The files of the page hold no secret and are given without a token, also to a link on another site that leads to them: what
//! the page then shows and does needs a session.

use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::api::answer::{Api, Connection, Refusal, crowded, unauthorized};
use crate::api::document::{document, routes_of};
use crate::api::page;
use crate::api::request::{Caller, OPEN, only};
use crate::problem::{Problem, code};

/// Header of a request of the page: fresh random text, at most [`MAX_NONCE`] bytes.
const NONCE: HeaderName = HeaderName::from_static("minimodel-nonce");
/// Header of the answer to it: the proof that the companion knows the session.
const PROOF: HeaderName = HeaderName::from_static("minimodel-proof");
/// Longest nonce that is answered.
const MAX_NONCE: usize = 64;

/// Headers of every answer. `'self'` is for the companion's own page; nothing else is ever loaded, framed or sent to, and no text
/// becomes markup or script.
pub(crate) const HEADERS: [(HeaderName, HeaderValue); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             worker-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
        ),
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Passes a request on to its route or refuses it, and sets the headers of every answer.
pub(crate) async fn guard(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let mut response = match admit(&api, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            let proof = proof(&api, caller, request.headers());
            if !is_served(request.method()) {
                // No route takes this one, so that none runs. The router would give HEAD to those of GET.
                *request.method_mut() = Method::OPTIONS;
            }
            let mut response = match caller {
                Caller::Page(_) => of_page(&api, request, next).await,
                Caller::Owner | Caller::Anyone => next.run(request).await,
            };
            if let Some(allow) = response.headers_mut().get_mut(header::ALLOW) {
                *allow = without_head(allow);
            }
            if let Some(proof) = proof {
                response.headers_mut().insert(PROOF, proof);
            }
            response
        }
        Err(refusal) => {
            let (status, mut response) = (refusal.status, refusal.into_response());
            let headers = response.headers_mut();
            if status == StatusCode::UNAUTHORIZED {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
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

/// The proof for which a tab asks with each request: another program may have this port once the companion has ended.
fn proof(api: &Api, caller: Caller, headers: &HeaderMap) -> Option<HeaderValue> {
    let Caller::Page(session) = caller else { return None };
    let nonce = only(headers, &NONCE).filter(|nonce| nonce.len() <= MAX_NONCE)?;
    HeaderValue::from_str(&api.sessions.proof(session, nonce)?).ok()
}

/// Answers a request of the page, of which so many are answered at once that calls of the owner find room beside them. A client
/// that hangs up ends no call, and frees no permit for another.
async fn of_page(api: &Api, request: Request, next: Next) -> Response {
    let Ok(permit) = Arc::clone(&api.page_calls).try_acquire_owned() else {
        return crowded().into_response();
    };
    let call = tokio::spawn(async move {
        let response = next.run(request).await;
        drop(permit);
        response
    });
    call.await.unwrap_or_else(|error| {
        let hint = "look at what the companion printed, and report it";
        let problem = Problem::new(code::UNEXPECTED, "the call did not end well", hint).because(error);
        Refusal::from(problem).into_response()
    })
}

fn admit(api: &Api, request: &Request) -> Result<Caller, Refusal> {
    let Some(connection) = request.extensions().get::<Connection>() else {
        return Err(misdirected("the request came by no connection"));
    };
    let caller = caller(api, connection, request);
    connection.standing.set(*caller.as_ref().unwrap_or(&Caller::Anyone));
    caller
}

fn caller(api: &Api, connection: &Connection, request: &Request) -> Result<Caller, Refusal> {
    let (method, path, headers) = (request.method(), request.uri().path(), request.headers());
    let host = host(request, &api.page_name, connection.local.port())?;
    // No route takes it, so none runs; the answer says which methods are taken. A preflight is one of these.
    if !is_served(method) {
        return Ok(Caller::Anyone);
    }
    let is_file = method == Method::GET && page::is_its_path(path);
    if !(is_file && is_navigation(headers)) {
        same_origin(headers, &host)?;
    }
    let is_open = OPEN.iter().any(|(open, at)| open == method && *at == path);
    if is_file || is_open || is_open_to_others(method, path) {
        return Ok(Caller::Anyone);
    }
    let bearer = only(headers, &header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    });
    let caller = bearer.and_then(|presented| {
        let session = || api.sessions.admit(presented).map(Caller::Page);
        if api.token.is(presented) { Some(Caller::Owner) } else { session() }
    });
    caller.ok_or_else(unauthorized)
}

/// The value of `Allow` as the router makes it, which adds HEAD to GET.
fn without_head(allow: &HeaderValue) -> HeaderValue {
    let methods = allow.to_str().unwrap_or_default().split(',').filter(|method| method.trim() != "HEAD");
    HeaderValue::from_str(&methods.collect::<Vec<_>>().join(",")).unwrap_or_else(|_| allow.clone())
}

/// Returns true for a method that the route at an open path does not take: no route runs, and the answer says which are taken.
fn is_open_to_others(method: &Method, path: &str) -> bool {
    static TAKEN: OnceLock<Vec<(&str, String)>> = OnceLock::new();
    let taken = || TAKEN.get_or_init(|| routes_of(&document()));
    OPEN.iter().any(|(_, at)| *at == path)
        && !taken().iter().any(|(takes, at)| *takes == method.as_str() && at == path)
}

fn is_served(method: &Method) -> bool {
    [Method::GET, Method::POST, Method::PUT, Method::DELETE].contains(method)
}

/// Returns true if a user followed a link or typed the address: what comes is shown as a document of its own.
fn is_navigation(headers: &HeaderMap) -> bool {
    let is = |name, value| only(headers, &HeaderName::from_static(name)) == Some(value);
    !headers.contains_key(header::ORIGIN)
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

fn misdirected(error: &str) -> Refusal {
    let hint = "ask 127.0.0.1, [::1] or localhost, with the port, and no other name";
    Refusal::new(StatusCode::MISDIRECTED_REQUEST, code::USAGE, error, hint)
}

/// The value of `Host`, which must be one of the names of this interface.
fn host(request: &Request, page_name: &str, port: u16) -> Result<String, Refusal> {
    let Some(host) = only(request.headers(), &header::HOST) else {
        return Err(misdirected("there has to be one Host header"));
    };
    let names = ["127.0.0.1", "[::1]", "localhost", page_name];
    // Clients leave out the port that is usual for http (RFC 9110 section 4.2.3).
    let usual = names.iter().filter(|_| port == 80).map(ToString::to_string);
    let ours: Vec<String> = names.iter().map(|name| format!("{name}:{port}")).chain(usual).collect();
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
