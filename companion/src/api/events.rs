//! `GET /v1/events`: a snapshot of all transfers, then every change, as Server-Sent Events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use crate::api::answer::{Api, Outcome, crowded};
use crate::api::request::Caller;
use crate::api::server::stopped;
use crate::model::Event;

/// Events buffered for one client; beyond them its position in the broadcast queue of all clients waits.
const AHEAD: usize = 16;

/// The whole picture, then changes, for as long as the client listens or the companion runs.
#[utoipa::path(
    get, path = "/v1/events",
    responses((status = 200, content_type = "text/event-stream", body = Event,
        description = "A stream: `event` is the kind, `id` counts, `data` is one Event."))
)]
pub(crate) async fn events(
    State(api): State<Api>,
    caller: Caller,
) -> Outcome<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>> {
    let permit = Arc::clone(&api.streams).try_acquire_owned().map_err(|_| crowded())?;
    // Subscribes before taking the snapshot: a change in between is sent twice rather than lost.
    let changes = api.events.subscribe();
    let snapshot = snapshot(&api).await?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let interval = api.limits.keep_alive;
    tokio::spawn(feed(api, Feed { sender, id: 0, caller }, snapshot, changes, permit));
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(interval)))
}

/// One client's stream.
struct Feed {
    sender: mpsc::Sender<Result<sse::Event, Infallible>>,
    id: u64,
    caller: Caller,
}

impl Feed {
    /// Sends an event; false when the client is gone.
    async fn send(&mut self, event: Event) -> bool {
        self.id += 1;
        let made = sse::Event::default().id(self.id.to_string()).event(name(&event));
        let made = made.json_data(event);
        // An event is plain data, which always has a JSON form.
        let Ok(made) = made else { return false };
        self.sender.send(Ok(made)).await.is_ok()
    }
}

async fn feed(
    api: Api,
    mut feed: Feed,
    snapshot: Vec<Event>,
    mut changes: broadcast::Receiver<Event>,
    _permit: OwnedSemaphorePermit,
) {
    for event in snapshot {
        if !feed.send(event).await {
            return;
        }
    }
    let mut stop = std::pin::pin!(stopped(api.stop.clone()));
    let (sessions, caller) = (api.sessions.clone(), feed.caller);
    let mut ended = std::pin::pin!(async {
        match caller {
            Caller::Page(session) => sessions.ended(session).await,
            Caller::Owner | Caller::Anyone => std::future::pending().await,
        }
    });
    loop {
        let change = tokio::select! {
            // Changes that precede the shutdown are sent before it.
            biased;
            change = changes.recv() => change,
            () = feed.sender.closed() => return,
            () = &mut ended => return,
            () = &mut stop => Err(RecvError::Closed),
        };
        let told = match change {
            Ok(Event::Stopping) | Err(RecvError::Closed) => {
                feed.send(Event::Stopping).await;
                return;
            }
            Ok(event) => feed.send(event).await,
            Err(RecvError::Lagged(_)) => {
                // Missed changes may include removals, so the earlier snapshot is void, not just out of date.
                changes = changes.resubscribe();
                let Ok(snapshot) = self::snapshot(&api).await else { return };
                let mut told = feed.send(Event::Resync).await;
                for event in snapshot {
                    told = told && feed.send(event).await;
                }
                told
            }
        };
        if !told {
            return;
        }
    }
}

async fn snapshot(api: &Api) -> Outcome<Vec<Event>> {
    let status = api.quick(|service| service.status()).await?;
    let event = |transfer| Event::Transfer { transfer: Box::new(transfer) };
    Ok(status.transfers.into_iter().map(event).collect())
}

/// The event's kind, as in its JSON form.
fn name(event: &Event) -> &'static str {
    match event {
        Event::Transfer { .. } => "transfer",
        Event::Removed { .. } => "removed",
        Event::Consent => "consent",
        Event::Library => "library",
        Event::Limits => "limits",
        Event::Resync => "resync",
        Event::Stopping => "stopping",
    }
}
