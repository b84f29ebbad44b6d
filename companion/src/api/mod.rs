//! The local HTTP interface: its resources and its server. docs/api.md describes its use.

pub(crate) mod access;
mod answer;
mod bounds;
mod document;
mod events;
mod guard;
mod looked_at;
mod metrics;
mod page;
mod refusals;
mod request;
mod routes;
mod server;
mod server_limits;
mod session_table;
mod sessions;
mod standing;
pub mod types;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use tokio::sync::{Semaphore, broadcast, watch};

use answer::{Api, CallLimit};

pub use access::{Access, EndpointFile, Token};
pub use document::{document, routes_of};
pub use routes::{Fitted, Kept, Pinned};
pub use server::bind;
pub use server_limits::{PageLimits, ServerLimits};

use crate::model::Event;
use crate::problem::{Problem, code};
use crate::service::Service;

/// What the interface is served with.
pub struct Interface {
    /// What answers the calls.
    pub service: Arc<dyn Service>,
    /// The token, and the folder of `endpoint.json`.
    pub access: Access,
    /// The changes that clients are told.
    pub events: broadcast::Sender<Event>,
    /// Becomes true when it is to end.
    pub stop: watch::Receiver<bool>,
    /// The server's limits.
    pub limits: ServerLimits,
}

/// The interface, listening: `endpoint.json` leads clients to it. They are answered by [`Serving::until_stopped`].
pub struct Serving {
    listeners: Vec<(tokio::net::TcpListener, SocketAddr)>,
    router: axum::Router,
    limits: ServerLimits,
    stop: watch::Receiver<bool>,
    published: Published,
}

/// Publishes the interface on these listeners, within a tokio runtime. `endpoint.json` exists until the result is dropped.
///
/// # Errors
///
/// A listener that is not at loopback, and a folder that cannot be written.
pub fn publish(listeners: Vec<TcpListener>, interface: Interface) -> Result<Serving, Problem> {
    let Interface { service, access, events, stop, limits } = interface;
    let listeners = server::adopt(listeners).map_err(|error| {
        let hint = "pass what `bind` gives: listeners at 127.0.0.1 and [::1]";
        Problem::new(code::UNEXPECTED, "the interface cannot listen", hint).because(error)
    })?;
    let addresses: Vec<_> = listeners.iter().map(|(_, address)| *address).collect();
    let api = Api {
        quick: CallLimit::new(limits.quick_calls, limits.waiting_calls),
        long: CallLimit::new(limits.long_calls, limits.waiting_calls),
        choosing: CallLimit::new(limits.long_calls, limits.waiting_calls),
        streams: Arc::new(Semaphore::new(limits.streams)),
        service,
        token: access.token().clone(),
        sessions: session_table::SessionTable::new(),
        page_name: page_name()?.into(),
        page_calls: Arc::new(Semaphore::new(limits.page.calls)),
        page_streams: Arc::new(Semaphore::new(limits.page.streams)),
        document: document::text,
        events,
        stop: stop.clone(),
        limits: limits.clone(),
    };
    let (routes, _) = routes::all().split_for_parts();
    let router = routes
        .merge(page::routes())
        .fallback(routes::unknown)
        .method_not_allowed_fallback(routes::wrong_method)
        .with_state(api.clone());
    // Around the router as a whole: what is refused reaches no route, and what the router adds to an answer is seen.
    let router = axum::Router::new().fallback_service(router).layer(from_fn_with_state(api, guard::guard));
    access.publish(&addresses)?;
    Ok(Serving { listeners, router, limits, stop, published: Published(access) })
}

/// Makes a host name for the page: a name below `localhost` leads to loopback (RFC 6761 section 6.3), and is an origin of its own.
/// What another program left in the browser when it had this port (a service worker, a tab, a cached page) belongs to another
/// origin.
fn page_name() -> Result<String, Problem> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| {
        let hint = "start the companion again; if it stays so, something is wrong with this system";
        Problem::new(code::UNEXPECTED, "the system has no randomness to give", hint).because(error)
    })?;
    Ok(format!("m{}.localhost", data_encoding::HEXLOWER.encode(&random)))
}

impl Serving {
    /// Answers clients until [`Interface::stop`] becomes true, then withdraws `endpoint.json`. Faults of single clients end nothing.
    pub async fn until_stopped(self) {
        let Self { listeners, router, limits, stop, published } = self;
        server::run(listeners, &router, &limits, stop).await;
        drop(published);
    }
}

/// Removes `endpoint.json` when dropped, however the server ends.
struct Published(Access);

impl Drop for Published {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}
