//! `GET /v1/events`: a snapshot of all transfers, then every change, as Server-Sent Events.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::api::answer::{Api, Outcome, QueryParams, crowded};
use crate::api::looked_at::LookedAt;
use crate::api::request::Caller;
use crate::api::server::stopped;
use crate::model::{Event, USUAL_CELLS, validate};

/// Events buffered for one client; beyond them its position in the broadcast queue of all clients waits.
const AHEAD: usize = 16;

/// The schema of an event in the stream.
#[derive(Debug)]
pub(crate) struct StreamedEvent;

impl PartialSchema for StreamedEvent {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let data = text().content_media_type("application/json").description(Some("An Event, as JSON."));
        let id = text().pattern(Some(r"^\d+$")).description(Some("Counts from 1 in each stream."));
        let event = text().pattern(Some("^[a-z]+$")).description(Some("The kind of the event."));
        let object = ObjectBuilder::new().property("data", data).property("event", event).property("id", id);
        object
            .required("data")
            .description(Some("An event as a client of Server-Sent Events sees it."))
            .into()
    }
}

impl ToSchema for StreamedEvent {
    fn name() -> Cow<'static, str> {
        "StreamedEvent".into()
    }
}

/// The query of the stream.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default)]
    chunks: Option<u64>,
    #[serde(default)]
    cells: Option<u32>,
}

/// The whole picture, then changes, for as long as the client listens or the companion runs.
#[utoipa::path(
    get, path = "/v1/events",
    params(
        ("chunks" = Option<u64>, Query, description = "A transfer: `chunks` events show the map of its chunks."),
        ("cells" = Option<u32>, Query, minimum = 1, maximum = 4096, description = "Cells of that map; 1024 if left out."),
    ),
    responses((status = 200, content_type = "text/event-stream", body = StreamedEvent,
        description = "A stream: `event` is the kind, `id` counts, `data` is one Event."), (status = 404))
)]
pub(crate) async fn events(
    State(api): State<Api>,
    caller: Caller,
    QueryParams(asked): QueryParams<Asked>,
) -> Outcome<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>> {
    let cells = validate::cells(asked.cells.unwrap_or(USUAL_CELLS))?;
    if let Some(id) = asked.chunks {
        // A transfer that is not there is refused; one whose chunks are not known yet is looked at until they are.
        api.quick(move |service| service.transfer(id)).await?;
    }
    let permit = |streams: &Arc<Semaphore>| Arc::clone(streams).try_acquire_owned().map_err(|_| crowded());
    let of_page = matches!(caller, Caller::Page(_)).then(|| permit(&api.page_streams)).transpose()?;
    let permits = (permit(&api.streams)?, of_page);
    // Subscribes before taking the snapshot: a change in between is sent twice rather than lost.
    let changes = api.events.subscribe();
    let snapshot = snapshot(&api).await?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let interval = api.limits.keep_alive;
    let looked_at = asked.chunks.map(|id| LookedAt::new(id, cells));
    tokio::spawn(feed(api, Feed { sender, id: 0, caller, looked_at }, snapshot, changes, permits));
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(interval)))
}

/// One client's stream.
struct Feed {
    sender: mpsc::Sender<Result<sse::Event, Infallible>>,
    id: u64,
    caller: Caller,
    /// The transfer whose chunks it shows.
    looked_at: Option<LookedAt>,
}

impl Feed {
    /// Waits until a map of chunks is to be made; for ever if the client asked for none.
    async fn look_is_due(&self) {
        match &self.looked_at {
            Some(looked_at) => looked_at.due().await,
            None => std::future::pending().await,
        }
    }

    /// Makes the map of chunks; `None` if it is as it was.
    async fn look(&mut self, api: &Api) -> Option<Event> {
        self.looked_at.as_mut()?.look(api).await
    }

    /// Sends what follows from a change; none: a map of chunks is due. Returns false when the stream is to end.
    async fn tell(
        &mut self,
        api: &Api,
        change: Result<Option<Event>, RecvError>,
        changes: &mut broadcast::Receiver<Event>,
    ) -> bool {
        match change {
            Ok(None) => match self.look(api).await {
                Some(map) => self.send(map).await,
                None => true,
            },
            Ok(Some(Event::Stopping)) | Err(RecvError::Closed) => {
                self.send(Event::Stopping).await;
                false
            }
            Ok(Some(event)) => self.send(event).await,
            Err(RecvError::Lagged(_)) => {
                // Missed changes may include removals, so the earlier snapshot is void, not just out of date.
                *changes = changes.resubscribe();
                let Ok(snapshot) = snapshot(api).await else { return false };
                self.send(Event::Resync).await && self.send_all(snapshot).await
            }
        }
    }

    /// Sends events; false when the client is gone.
    async fn send_all(&mut self, events: Vec<Event>) -> bool {
        for event in events {
            if !self.send(event).await {
                return false;
            }
        }
        true
    }

    /// Sends an event; false when the client is gone.
    async fn send(&mut self, event: Event) -> bool {
        self.id += 1;
        if let Some(looked_at) = &mut self.looked_at {
            looked_at.note(&event);
        }
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
    _permits: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
) {
    let mut stop = std::pin::pin!(stopped(api.stop.clone()));
    let (sessions, caller) = (api.sessions.clone(), feed.caller);
    let mut ended = std::pin::pin!(async {
        match caller {
            Caller::Page(session) => sessions.ended(session).await,
            Caller::Owner | Caller::Anyone => std::future::pending().await,
        }
    });
    // It waits for the client where that does not read.
    let begun = tokio::select! {
        biased;
        () = &mut ended => false,
        () = &mut stop => false,
        begun = feed.send_all(snapshot) => begun,
    };
    if !begun {
        return;
    }
    loop {
        let change = tokio::select! {
            // A session that ended is told nothing more, however much waits for it. Changes that precede the shutdown are sent before
            // it. A map is due twice a second at most, and holds up nothing.
            biased;
            () = &mut ended => return,
            () = feed.look_is_due() => Ok(None),
            change = changes.recv() => change.map(Some),
            () = feed.sender.closed() => return,
            () = &mut stop => Err(RecvError::Closed),
        };
        let telling = feed.tell(&api, change, &mut changes);
        let goes_on = tokio::select! {
            biased;
            () = &mut ended => false,
            goes_on = telling => goes_on,
        };
        if !goes_on {
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
        Event::Chunks { .. } => "chunks",
        Event::Consent => "consent",
        Event::Library => "library",
        Event::Limits => "limits",
        Event::Resync => "resync",
        Event::Stopping => "stopping",
    }
}
