//! Routes of the page's sessions.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use minimodel::clock::utc;

use crate::api::answer::{Api, Connection, Id, JsonBody, NoBody, Outcome, Refusal, created};
use crate::api::request::Caller;
use crate::api::session_table::Stranger;
use crate::api::sessions::CodeError;
use crate::api::types::{NewSession, OpenedSession, Session, SessionCode};
use crate::problem::{Problem, code};

/// Refuses the page what a session does not permit.
pub(crate) fn owner_alone(caller: Caller, what: &str, hint: &str) -> Outcome<()> {
    if caller == Caller::Owner {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        code::CONSENT,
        format!("a session of the page may not {what}"),
        hint,
    ))
}

fn no_randomness(error: getrandom::Error) -> Refusal {
    let hint = "ask again; if it stays so, something is wrong with this system";
    Problem::new(code::UNEXPECTED, "the system has no randomness to give", hint).because(error).into()
}

/// Mints a code that a browser exchanges for a session, once and within 60 seconds. Not for a session itself.
#[utoipa::path(
    post, path = "/v1/sessions/codes",
    responses((status = 201, body = SessionCode, headers(("location" = String))))
)]
pub(crate) async fn mint_code(
    State(api): State<Api>,
    caller: Caller,
    Extension(connection): Extension<Connection>,
    _: NoBody,
) -> Outcome<Response> {
    owner_alone(caller, "mint codes", "begin another session by `minimodel open`")?;
    let (made, expires_unix) = api.sessions.mint().map_err(no_randomness)?;
    let page = format!("http://{}:{}/", api.page_name, connection.local.port());
    Ok(created("/v1/sessions", SessionCode { code: made.code, typed: made.typed, page, expires_unix }))
}

/// Exchanges a code for a session. No token is needed. A code that is used twice ends the session that it gave.
#[utoipa::path(
    post, path = "/v1/sessions", request_body = NewSession,
    responses((status = 201, body = OpenedSession, headers(("location" = String))), (status = 401), (status = 500))
)]
pub(crate) async fn open_session(
    State(api): State<Api>,
    Extension(connection): Extension<Connection>,
    JsonBody(NewSession { code: given }): JsonBody<NewSession>,
) -> Outcome<Response> {
    let refused = |error: &str, hint: &str| Refusal::new(StatusCode::UNAUTHORIZED, code::IO, error, hint);
    match api.sessions.stranger(connection.client, connection.local).await {
        None => {}
        Some(Stranger::Account) => {
            let hint = "the page is for the account that runs the companion: run the browser, or the ssh server's side of a \
                        forwarded port, under that account";
            return Err(refused("the code came from another account of this machine", hint));
        }
        Some(Stranger::Unlisted) => {
            let hint = "a browser outside of this system, as that of Windows beside its Linux, is not told from another account: \
                        use one that runs within";
            return Err(refused("the system does not list the connection that brought the code", hint));
        }
    }
    match api.sessions.redeem(&given).map_err(no_randomness)? {
        Ok(opened) => {
            let location = format!("/v1/sessions/{}", opened.id);
            Ok(created(&location, OpenedSession { id: opened.id, token: opened.token }))
        }
        Err(CodeError::Unknown) => {
            let hint = "a code is good once and for 60 seconds: `minimodel open` makes a new one";
            Err(refused("this code is wrong or too old", hint))
        }
        Err(CodeError::UsedTwice) => Err(refused(
            "this code was used before, and the session that it gave has ended",
            "if that was not you, another program of this machine read it: see `minimodel consent log`, then `minimodel open`",
        )),
        Err(CodeError::TooManyWrong) => {
            let hint = "type a new one, which `minimodel open --print` shows";
            Err(refused("too many wrong codes were tried, so none can be typed now", hint))
        }
    }
}

/// The sessions that are open.
#[utoipa::path(get, path = "/v1/sessions", responses((status = 200, body = Vec<Session>)))]
pub(crate) async fn sessions(State(api): State<Api>, caller: Caller) -> Json<Vec<Session>> {
    let body = |session: crate::api::sessions::Session| Session {
        id: session.id,
        created_utc: utc(session.created_unix),
        last_used_utc: utc(session.used_unix),
        current: caller == Caller::Page(session.id),
    };
    Json(api.sessions.all().into_iter().map(body).collect())
}

/// Ends a session; its event streams end with it.
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", params(("id" = u64, Path)),
    responses((status = 204, description = "It has ended."))
)]
pub(crate) async fn end_session(State(api): State<Api>, Id(id): Id, _: NoBody) -> Outcome<StatusCode> {
    if api.sessions.end(id) {
        return Ok(StatusCode::NO_CONTENT);
    }
    let hint = "see which there are: `minimodel companion sessions`";
    Err(Problem::new(code::NOT_FOUND, format!("no session {id} is open"), hint).into())
}
