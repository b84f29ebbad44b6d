//! Between HTTP and the service: extractors of requests, the threads on which calls run, and responses.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::{HttpBody as _, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, broadcast, watch};

use crate::api::access::Token;
use crate::api::request::{Caller, only};
use crate::api::server_limits::ServerLimits;
use crate::api::session_table::SessionTable;
use crate::api::standing::Standing;
use crate::model::{Consent, Event};
use crate::problem::{Problem, code};
use crate::service::{Answer, Service};

/// The result of a handler.
pub(crate) type Outcome<T> = Result<T, Refusal>;

/// A problem and its HTTP status.
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

/// Limits on one class of calls: how many run and how many wait; the next call is refused.
#[derive(Clone)]
pub(crate) struct CallLimit {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl CallLimit {
    pub(crate) fn new(running: usize, waiting: usize) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { running: semaphore(running), admitted: semaphore(running + waiting) }
    }
}

/// State shared by all handlers.
#[derive(Clone)]
pub(crate) struct Api {
    /// The service that answers the calls.
    pub(crate) service: Arc<dyn Service>,
    pub(crate) quick: CallLimit,
    pub(crate) long: CallLimit,
    /// Of calls that look into folders, which a disk that sleeps or a network share that is gone may hold up.
    pub(crate) choosing: CallLimit,
    /// One permit an event stream.
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) token: Token,
    /// Sessions of the page.
    pub(crate) sessions: SessionTable,
    /// Host name of the page, made anew at each start.
    pub(crate) page_name: Arc<str>,
    /// One permit a request of the page that is being answered, streams aside.
    pub(crate) page_calls: Arc<Semaphore>,
    /// One permit an event stream of the page.
    pub(crate) page_streams: Arc<Semaphore>,
    /// Gives the text of the OpenAPI document, which is made from all routes.
    pub(crate) document: fn() -> String,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) limits: ServerLimits,
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Outcome<Self> {
        Ok(parts.extensions.get().copied().unwrap_or(Self::Anyone))
    }
}

/// A connection. The server attaches it to each request.
#[derive(Clone)]
pub(crate) struct Connection {
    /// The address of this interface that it came to.
    pub(crate) local: SocketAddr,
    /// The client's address.
    pub(crate) client: SocketAddr,
    pub(crate) standing: Arc<Standing>,
}

impl Api {
    /// Runs a short call.
    pub(crate) async fn quick<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Service) -> Answer<T> + Send + 'static,
    ) -> Outcome<T> {
        self.call(&self.quick, call).await
    }

    /// Runs a call that may read whole files. Such calls have a limit of their own, so that short calls, like pausing a
    /// transfer, still find a thread.
    pub(crate) async fn long<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Service) -> Answer<T> + Send + 'static,
    ) -> Outcome<T> {
        self.call(&self.long, call).await
    }

    /// Runs a call that looks into a folder for choosing a file: it waits for no check of a whole file, and none waits for it.
    pub(crate) async fn choosing<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Service) -> Answer<T> + Send + 'static,
    ) -> Outcome<T> {
        self.call(&self.choosing, call).await
    }

    async fn call<T: Send + 'static>(
        &self,
        limit: &CallLimit,
        call: impl FnOnce(&dyn Service) -> Answer<T> + Send + 'static,
    ) -> Outcome<T> {
        let Ok(admitted) = Arc::clone(&limit.admitted).try_acquire_owned() else { return Err(crowded()) };
        let Ok(running) = Arc::clone(&limit.running).acquire_owned().await else { return Err(crowded()) };
        let service = Arc::clone(&self.service);
        // The call holds the permits: a client that hangs up ends its request, but the call still occupies its thread.
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

/// The refusal of a request whose token is not, or no longer, good.
pub(crate) fn unauthorized() -> Refusal {
    let hint = "send `authorization: Bearer TOKEN` with what the file `token` in the companion's folder holds; in a browser, \
                begin anew with `minimodel open`";
    let error = "the token is missing or wrong, or its session has ended";
    Refusal::new(StatusCode::UNAUTHORIZED, code::IO, error, hint)
}

/// The refusal of a call or stream beyond its limit.
pub(crate) fn crowded() -> Refusal {
    let hint = "ask again in a moment, and fewer at once";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code::BUSY, "too many requests at once", hint)
}

/// What a route takes as its body.
pub(crate) trait Input {
    /// The consent that comes with it, if any. It says by what it was given; of the page's consents the server says it.
    fn consent(&mut self) -> Option<&mut Consent> {
        None
    }
}

/// A JSON body of exactly this shape, limited in size and time.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Input> FromRequest<Api> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Outcome<Self> {
        let caller = request.extensions().get().copied();
        if !is_json(request.headers()) {
            return Err(not_json());
        }
        let mut input: T = parse(&body(request, api).await?)?;
        if let (Some(Caller::Page(_)), Some(consent)) = (caller, input.consent()) {
            "page".clone_into(&mut consent.by);
        }
        Ok(Self(input))
    }
}

/// A JSON body as in [`JsonBody`], or no body, which counts as `{}`.
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<Api> for OptionalBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Outcome<Self> {
        let is_json = is_json(request.headers());
        let bytes = body(request, api).await?;
        match (bytes.trim_ascii().is_empty(), is_json) {
            (true, _) => Ok(Self(T::default())),
            (false, true) => parse(&bytes).map(Self),
            (false, false) => Err(not_json()),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = only(headers, &header::CONTENT_TYPE) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn not_json() -> Refusal {
    let hint = "send `content-type: application/json` with a body";
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code::USAGE, "bodies are JSON", hint)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Outcome<T> {
    let fault = match serde_json::from_slice(bytes) {
        // Derived deserializers also accept a list of a struct's fields; the OpenAPI document does not.
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

/// No body, or `{}`: for routes that need only their path.
pub(crate) struct NoBody;

impl FromRequest<Api> for NoBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Outcome<Self> {
        let is_json = is_json(request.headers());
        let bytes = body(request, api).await?;
        match bytes.trim_ascii() {
            b"" => return Ok(Self),
            _ if !is_json => return Err(not_json()),
            b"{}" => return Ok(Self),
            _ => {}
        }
        let hint = "send no body, or {}";
        Err(Refusal::new(StatusCode::BAD_REQUEST, code::USAGE, "this route takes no body", hint))
    }
}

/// Reads the body. A request of a session that ends meanwhile is refused.
async fn body(request: Request, api: &Api) -> Outcome<axum::body::Bytes> {
    let (caller, limits) = (request.extensions().get().copied(), &api.limits);
    let body = request.into_body();
    let too_much = || {
        let error = format!("the body is broken off, or has more than {} bytes", limits.body_bytes);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, code::USAGE, error, "send it whole, and smaller")
    };
    // A body that declares too large a length is refused before it is read.
    if body.size_hint().lower() > limits.body_bytes as u64 {
        return Err(too_much());
    }
    let Ok(read) = tokio::time::timeout(limits.body_time, to_bytes(body, limits.body_bytes)).await else {
        let error = "the body did not come in time";
        return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, code::USAGE, error, "send it at once"));
    };
    let read = read.map_err(|_| too_much())?;
    match caller {
        Some(Caller::Page(session)) if api.sessions.time_left(session).is_none() => Err(unauthorized()),
        _ => Ok(read),
    }
}

/// The number in the path.
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

/// The text in the path.
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

/// The query parameters.
pub(crate) struct QueryParams<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for QueryParams<T> {
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

/// The body of an answer whose items have a body type of their own.
pub(crate) fn list<T, B: From<T>>(values: Vec<T>) -> Json<Vec<B>> {
    Json(values.into_iter().map(Into::into).collect())
}

/// Answers 201 with the location of the new resource.
pub(crate) fn created<T: Serialize>(location: &str, body: T) -> Response {
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    // A location consists of numbers and fixed words, which a header can always hold.
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
