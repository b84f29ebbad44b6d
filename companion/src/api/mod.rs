//! The local HTTP interface: its resources and its server. docs/api.md describes its use.

pub(crate) mod access;
mod answer;
mod document;
mod events;
mod guard;
mod metrics;
mod routes;
mod server;
mod server_limits;
pub mod types;

use std::net::TcpListener;
use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use tokio::sync::{broadcast, watch};

pub use access::{Access, EndpointFile, Token};
pub use document::{document, routes_of};
pub use routes::{Fitted, Kept};
pub use server::bind;
pub use server_limits::ServerLimits;

use crate::model::Event;
use crate::problem::{Problem, code};
use crate::service::Service;

/// Serves the interface on these listeners until `stop` becomes true. `endpoint.json` exists meanwhile.
///
/// # Errors
///
/// A listener that is not at loopback, and a folder that cannot be written. Faults of single clients are no error.
pub async fn serve(
    listeners: Vec<TcpListener>,
    service: Arc<dyn Service>,
    access: Access,
    events: broadcast::Sender<Event>,
    stop: watch::Receiver<bool>,
) -> Result<(), Problem> {
    serve_within(ServerLimits::default(), listeners, service, access, events, stop).await
}

/// As [`serve`], with the caller's limits.
///
/// # Errors
///
/// As [`serve`].
pub async fn serve_within(
    limits: ServerLimits,
    listeners: Vec<TcpListener>,
    service: Arc<dyn Service>,
    access: Access,
    events: broadcast::Sender<Event>,
    stop: watch::Receiver<bool>,
) -> Result<(), Problem> {
    let listeners = server::adopt(listeners).map_err(|error| {
        let hint = "pass what `bind` gives: listeners at 127.0.0.1 and [::1]";
        Problem::new(code::UNEXPECTED, "the interface cannot listen", hint).because(error)
    })?;
    let addresses: Vec<_> = listeners.iter().map(|(_, address)| *address).collect();
    let api = answer::Api::new(service, access.token().clone(), events, stop.clone(), limits.clone());
    let (routes, _) = routes::all().split_for_parts();
    let router = routes
        .fallback(routes::unknown)
        .method_not_allowed_fallback(routes::wrong_method)
        .layer(from_fn_with_state(api.clone(), guard::guard))
        .with_state(api);
    access.publish(&addresses)?;
    let _withdrawn_at_the_end = Published(access);
    server::run(listeners, &router, &limits, stop).await;
    Ok(())
}

/// Removes `endpoint.json` when dropped, however the server ends.
struct Published(Access);

impl Drop for Published {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}
