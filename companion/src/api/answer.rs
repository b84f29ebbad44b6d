//! Between HTTP and the service: what a request brings, where its call runs, and how an answer or a problem goes out.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, broadcast, watch};

use crate::api::access::Token;
use crate::api::bounds::Bounds;
use crate::api::types::Event;
use crate::problem::{Problem, code};
use crate::service::{Answer, Service};

/// What a handler gives.
pub(crate) type Outcome<T> = Result<T, Refusal>;

/// A problem with the status that it goes out with.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) problem: Problem,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: u8, error: impl Into<String>, hint: &str) -> Self {
        Self { status, problem: Problem::new(code, error, hint) }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let status = match problem.code {
            code::USAGE => StatusCode::BAD_REQUEST,
            code::NOT_FOUND => StatusCode::NOT_FOUND,
            code::VERIFICATION | code::INVALID => StatusCode::UNPROCESSABLE_ENTITY,
            code::MISMATCH => StatusCode::PRECONDITION_FAILED,
            code::CONSENT => StatusCode::FORBIDDEN,
            code::STOPPED => StatusCode::SERVICE_UNAVAILABLE,
            code::DISK_FULL => StatusCode::INSUFFICIENT_STORAGE,
            code::BUSY => StatusCode::CONFLICT,
            code::QUOTA => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, problem }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.problem)).into_response()
    }
}

/// Calls of one sort: so many run, so many wait, and the next is refused.
#[derive(Clone)]
struct Lane {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Lane {
    fn new(running: usize, waiting: usize) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { running: semaphore(running), admitted: semaphore(running + waiting) }
    }
}

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Api {
    /// What answers.
    service: Arc<dyn Service>,
    quick: Lane,
    long: Lane,
    /// One permit an event stream.
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) token: Token,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) bounds: Bounds,
}

/// Where the request came in, and whether its connection has shown the token; put into each request by the server.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) local: SocketAddr,
    pub(crate) trusted: Arc<std::sync::atomic::AtomicBool>,
}

impl Api {
    pub(crate) fn new(
        service: Arc<dyn Service>,
        token: Token,
        events: broadcast::Sender<Event>,
        stop: watch::Receiver<bool>,
        bounds: Bounds,
    ) -> Self {
        Self {
            service,
            quick: Lane::new(bounds.quick_calls, bounds.waiting_calls),
            long: Lane::new(bounds.long_calls, bounds.waiting_calls),
            streams: Arc::new(Semaphore::new(bounds.streams)),
            token,
            events,
            stop,
            bounds,
        }
    }

    /// A call that is soon over.
    pub(crate) async fn quick<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Service) -> Answer<T> + Send + 'static,
    ) -> Outcome<T> {
        self.call(&self.quick, call).await
    }

    /// A call that may read whole files. These have threads of their own number, so that however many are asked for,
    /// a transfer can still be paused.
    pub(crate) async fn long<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Service) -> Answer<T> + Send + 'static,
    ) -> Outcome<T> {
        self.call(&self.long, call).await
    }

    async fn call<T: Send + 'static>(
        &self,
        lane: &Lane,
        call: impl FnOnce(&dyn Service) -> Answer<T> + Send + 'static,
    ) -> Outcome<T> {
        let Ok(admitted) = Arc::clone(&lane.admitted).try_acquire_owned() else { return Err(crowded()) };
        let Ok(running) = Arc::clone(&lane.running).acquire_owned().await else { return Err(crowded()) };
        let service = Arc::clone(&self.service);
        // The permits go with the call: who hangs up ends its request, not the call, which still takes its thread.
        let answer = tokio::task::spawn_blocking(move || {
            let _permits = (admitted, running);
            call(&*service)
        });
        match answer.await {
            Ok(answer) => answer.map_err(Refusal::from),
            Err(error) => {
                let hint = "look at what the companion printed, and report it";
                Err(Problem::new(code::UNEXPECTED, "the call did not end well", hint).because(error).into())
            }
        }
    }
}

/// Too much at once.
pub(crate) fn crowded() -> Refusal {
    let hint = "ask again in a moment, and fewer at once";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code::BUSY, "too many requests at once", hint)
}

/// A JSON body, whole, bounded, in time and of exactly this shape.
pub(crate) struct Sent<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Api> for Sent<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Outcome<Self> {
        parse(&body(request.into_body(), &api.bounds).await?).map(Self)
    }
}

/// The same, where no body is as good as `{}`.
pub(crate) struct Perhaps<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<Api> for Perhaps<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Outcome<Self> {
        let bytes = body(request.into_body(), &api.bounds).await?;
        if bytes.trim_ascii().is_empty() { Ok(Self(T::default())) } else { parse(&bytes).map(Self) }
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Outcome<T> {
    let fault = match serde_json::from_slice(bytes) {
        // Derived readers take a list of a struct's fields for the struct; the document does not.
        Ok(value) if bytes.trim_ascii_start().starts_with(b"{") => return Ok(value),
        Ok(_) => serde::de::Error::custom("it is no object"),
        Err(fault) => fault,
    };
    let hint = "the shapes of all bodies are in /v1/openapi.json and docs/api.md";
    let refusal = if fault.is_data() {
        let error = "the body is not what this route takes";
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, code::INVALID, error, hint)
    } else {
        Refusal::new(StatusCode::BAD_REQUEST, code::USAGE, "the body is no JSON", hint)
    };
    Err(Refusal { problem: refusal.problem.because(fault), ..refusal })
}

/// No body, or `{}`: for calls that need nothing but their address.
pub(crate) struct Nothing;

impl FromRequest<Api> for Nothing {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Outcome<Self> {
        let bytes = body(request.into_body(), &api.bounds).await?;
        if matches!(bytes.trim_ascii(), b"" | b"{}") {
            return Ok(Self);
        }
        let hint = "send no body, or {}";
        Err(Refusal::new(StatusCode::BAD_REQUEST, code::USAGE, "this route takes no body", hint))
    }
}

async fn body(body: Body, bounds: &Bounds) -> Outcome<axum::body::Bytes> {
    let too_much = || {
        let error = format!("the body is broken off, or has more than {} bytes", bounds.body_bytes);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, code::USAGE, error, "send it whole, and smaller")
    };
    // What says itself that it is too much is not waited for.
    if body.size_hint().lower() > bounds.body_bytes as u64 {
        return Err(too_much());
    }
    let Ok(read) = tokio::time::timeout(bounds.body_time, to_bytes(body, bounds.body_bytes)).await else {
        let error = "the body did not come in time";
        return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, code::USAGE, error, "send it at once"));
    };
    read.map_err(|_| too_much())
}

/// The number in the address.
pub(crate) struct Id(pub(crate) u64);

impl FromRequestParts<Api> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Outcome<Self> {
        let Ok(Path(id)) = Path::<u64>::from_request_parts(parts, api).await else {
            let hint = "ids are the numbers in the lists of /v1/transfers, /v1/library and /v1/grants";
            return Err(Refusal::new(StatusCode::NOT_FOUND, code::NOT_FOUND, "nothing has such an id", hint));
        };
        Ok(Self(id))
    }
}

/// The text in the address.
pub(crate) struct Name(pub(crate) String);

impl FromRequestParts<Api> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Outcome<Self> {
        let Ok(Path(name)) = Path::<String>::from_request_parts(parts, api).await else {
            let hint = "names are UTF-8, percent-encoded";
            return Err(Refusal::new(
                StatusCode::NOT_FOUND,
                code::NOT_FOUND,
                "nothing has such a name",
                hint,
            ));
        };
        Ok(Self(name))
    }
}

/// The query.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Outcome<Self> {
        match Query::<T>::from_request_parts(parts, api).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(fault) => {
                let hint = "docs/api.md says what this route takes";
                let error = "the query is not what this route takes";
                Err(Problem::new(code::USAGE, error, hint).because(fault.body_text()).into())
            }
        }
    }
}

/// 201, and where it is now.
pub(crate) fn created<T: Serialize>(location: &str, value: T) -> Response {
    let mut response = (StatusCode::CREATED, Json(value)).into_response();
    // Made of numbers and fixed words.
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
